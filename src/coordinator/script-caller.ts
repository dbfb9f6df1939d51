import { messageOf } from '../core/errors.ts'
import type { RedisConnection } from './connection.ts'
import type { Script } from './scripts.ts'

/**
 * Calls one script. Where Redis has Functions (7.0 and newer) it is one: Redis defines the Lua functions of a library once,
 * those of a plain script anew at every call, which costs more than a move. Elsewhere, and where the user may not load or
 * call Functions, it goes by `EVALSHA`. Both forms are one source (scripts.ts).
 */
export class ScriptCaller {
  readonly #redis: RedisConnection
  readonly #script: Script
  #hasFunctions: boolean = true
  #loading: Promise<boolean> | null = null

  constructor(redis: RedisConnection, script: Script) {
    this.#redis = redis
    this.#script = script
  }

  /** @throws ioredis' error when Redis can't be asked, or refuses */
  async call(key: string, args: readonly (string | number)[]): Promise<unknown> {
    if (!this.#hasFunctions) return await this.#callScript(key, args)
    try {
      return await this.#callFunction(key, args)
    } catch (error) {
      if (isRefusal(error)) this.#hasFunctions = false
      else if (!messageOf(error).includes('Function not found')) throw error
      else if (await this.#load()) return await this.#callFunction(key, args)
      return await this.#callScript(key, args)
    }
  }

  async #callFunction(key: string, args: readonly (string | number)[]): Promise<unknown> {
    return await this.#redis.fcall(this.#script.functionName, 1, key, ...args)
  }

  async #callScript(key: string, args: readonly (string | number)[]): Promise<unknown> {
    try {
      return await this.#redis.evalsha(this.#script.sha, 1, key, ...args)
    } catch (error) {
      if (!messageOf(error).startsWith('NOSCRIPT')) throw error
      return await this.#redis.eval(this.#script.source, 1, key, ...args)
    }
  }

  /** Loads the library, once for all calls that miss it; false where that is refused. */
  #load(): Promise<boolean> {
    this.#loading ??= this.#loadLibrary().finally(() => {
      this.#loading = null
    })
    return this.#loading
  }

  async #loadLibrary(): Promise<boolean> {
    try {
      await this.#redis.function('LOAD', this.#script.library)
    } catch (error) {
      if (messageOf(error).includes('already exists')) return true
      if (!isRefusal(error)) throw error
      this.#hasFunctions = false
    }
    return this.#hasFunctions
  }
}

/** Whether the server doesn't know the command, or the user may not use it. */
function isRefusal(error: unknown): boolean {
  return /^(ERR unknown (sub)?command|NOPERM)/i.test(messageOf(error))
}
