import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { findExecutable } from '../../../src/cli/redis/executables.ts'
import { thisMachine } from '../../../src/cli/redis/machine.ts'

/** The server's program; null where there is none. */
export const redisServer = findExecutable(thisMachine(), 'redis-server', 'valkey-server')

/** A Redis that keeps only the snapshots that it is told to take, and can be thrown back to one. */
export class OwnRedis {
  readonly url: string
  readonly #directory = mkdtempSync(join(tmpdir(), 'reprise-tail-'))
  readonly #port: number
  #process: ChildProcess | null = null

  private constructor(port: number) {
    this.#port = port
    this.url = `redis://127.0.0.1:${port}`
  }

  static async start(): Promise<OwnRedis> {
    const probe = createServer().listen(0, '127.0.0.1')
    await once(probe, 'listening')
    const address = probe.address()
    probe.close()
    await once(probe, 'close')
    if (address === null || typeof address === 'string') throw new Error('no free port')
    const redis = new OwnRedis(address.port)
    await redis.#launch()
    return redis
  }

  /** Writes everything down as it is now. */
  async snapshot(): Promise<void> {
    await this.#ask((redis) => redis.save())
    copyFileSync(this.#file('dump.rdb'), this.#file('snapshot.rdb'))
  }

  /** SIGKILL, then a new start on the same port, with what the last snapshot holds or with nothing. */
  async throwBack(to: 'snapshot' | 'nothing'): Promise<void> {
    await this.#kill()
    if (to === 'snapshot') copyFileSync(this.#file('snapshot.rdb'), this.#file('dump.rdb'))
    else rmSync(this.#file('dump.rdb'), { force: true })
    await this.#launch()
  }

  async stop(): Promise<void> {
    await this.#kill()
    rmSync(this.#directory, { recursive: true, force: true })
  }

  #file(name: string): string {
    return join(this.#directory, name)
  }

  async #launch(): Promise<void> {
    const flags = {
      port: this.#port,
      bind: '127.0.0.1',
      dir: this.#directory,
      dbfilename: 'dump.rdb',
      save: '',
      appendonly: 'no',
      hz: '100',
      'maxmemory-policy': 'noeviction',
    }
    const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)])
    const child = spawn(redisServer ?? '', args, { stdio: 'ignore' })
    this.#process = child
    for (let tries = 0; tries < 500; tries++) {
      if (child.exitCode !== null) throw new Error(`the server ended: ${child.exitCode}`)
      if (await this.#ask((redis) => redis.ping()).catch(() => null)) return
      await sleep(20)
    }
    throw new Error('the server does not answer')
  }

  async #kill(): Promise<void> {
    const child = this.#process
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  async #ask<T>(question: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis(this.url, { retryStrategy: () => null, maxRetriesPerRequest: 0 })
    redis.on('error', () => {})
    try {
      return await question(redis)
    } finally {
      redis.disconnect()
    }
  }
}
