import { messageOf, RepriseError } from '../core/errors.ts'
import type { RawAnswer } from './answers.ts'
import type { RedisConnection } from './connection.ts'
import { loadMoves, type Script } from './scripts.ts'

/** A move's arguments, in the order in which its Lua file names them. */
export type MoveArguments = readonly (string | number)[]

interface PendingMove {
  readonly name: string
  readonly args: MoveArguments
  readonly resolve: (answer: RawAnswer) => void
  readonly reject: (error: Error) => void
}

/** Small enough that Redis works on one call while this process prepares the next: measured, 64 cost a fifth. */
const MAX_MOVES_PER_CALL = 16

/**
 * Sends all moves of one event-loop tick as one script call: a shard's single hash tag allows it, and a call of its own
 * costs Redis as much again as the move. One move that fails leaves the others of its call untouched.
 */
export class MoveBatch {
  readonly #redis: RedisConnection
  readonly #routingKey: string
  readonly #settings: MoveArguments
  readonly #script: Script
  #pending: PendingMove[] = []

  /** `routingKey`: a key of the shard; `settings`: the script's own arguments, before the moves (its prelude.lua). */
  constructor(
    redis: RedisConnection,
    routingKey: string,
    settings: MoveArguments,
    script: Script = loadMoves(),
  ) {
    this.#redis = redis
    this.#routingKey = routingKey
    this.#settings = settings
    this.#script = script
  }

  /** Queues a move. It rejects when Redis can't be asked, and then it is unknown whether the move was made. */
  run(name: string, args: MoveArguments): Promise<RawAnswer> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ name, args, resolve, reject })
      if (this.#pending.length === 1) setImmediate(() => this.#flush())
      else if (this.#pending.length === MAX_MOVES_PER_CALL) this.#flush()
    })
  }

  #flush(): void {
    const moves = this.#pending
    if (moves.length === 0) return
    this.#pending = []
    this.#send(moves).then(
      (answers) => {
        moves.forEach((move, i) => {
          const answer = answers[i]
          if (Array.isArray(answer)) move.resolve(answer)
          else move.reject(new RepriseError('internal', `the move ${move.name} got no answer`))
        })
      },
      (cause: unknown) => {
        const error = new RepriseError('redis', `Redis refused the moves: ${messageOf(cause)}`, {
          cause,
        })
        for (const move of moves) move.reject(error)
      },
    )
  }

  async #send(moves: readonly PendingMove[]): Promise<readonly unknown[]> {
    const argv: (string | number)[] = [...this.#settings]
    for (const { name, args } of moves) argv.push(name, args.length, ...args)
    try {
      return asAnswers(await this.#redis.evalsha(this.#script.sha, 1, this.#routingKey, ...argv))
    } catch (error) {
      if (!messageOf(error).startsWith('NOSCRIPT')) throw error
      return asAnswers(await this.#redis.eval(this.#script.source, 1, this.#routingKey, ...argv))
    }
  }
}

function asAnswers(reply: unknown): readonly unknown[] {
  return Array.isArray(reply) ? reply : []
}
