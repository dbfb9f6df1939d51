import { messageOf, RepriseError } from '../core/errors.ts'
import type { RawAnswer } from './answers.ts'
import type { RedisConnection } from './connection.ts'
import { ScriptCaller } from './script-caller.ts'
import { loadMoves, type Script } from './scripts.ts'

/** A move's arguments, in the order in which its Lua file names them. */
export type MoveArguments = readonly (string | number)[]

/** What several parts of a move have in common. */
export interface Whole {
  /** Parts of one tick with the same subject and name go as one move. */
  readonly subject: object
  /** The move's arguments before those of its parts: the same for all parts of a subject. */
  readonly args: MoveArguments
}

interface Asked {
  readonly resolve: (answer: RawAnswer) => void
  readonly reject: (error: Error) => void
}

interface PendingMove {
  readonly name: string
  /** About how many nodes it reads or writes. */
  weight: number
  readonly subject: object | null
  readonly args: (string | number)[]
  /** Who waits for an answer: one for each part. */
  readonly asked: Asked[]
}

/** Small enough that Redis works on one call while this process prepares the next: measured, 64 cost a fifth. */
const MAX_MOVES_PER_CALL = 16

/** Nodes that the moves of one call are about, so that none holds Redis for long: a move of more nodes goes alone. */
const MAX_NODES_PER_CALL = 32

/**
 * Sends the moves of one event-loop tick in as few script calls as can be: a shard's single hash tag allows it, and a call of its own
 * costs Redis as much again as the move. One move that fails leaves the others of its call untouched.
 */
export class MoveBatch {
  readonly #caller: ScriptCaller
  readonly #routingKey: string
  readonly #settings: MoveArguments
  #pending: PendingMove[] = []

  /** `routingKey`: a key of the shard; `settings`: the script's own arguments, before the moves (`beginCall` in its prelude.lua). */
  constructor(
    redis: RedisConnection,
    routingKey: string,
    settings: MoveArguments,
    script: Script = loadMoves(),
  ) {
    this.#caller = new ScriptCaller(redis, script)
    this.#routingKey = routingKey
    this.#settings = settings
  }

  /**
   * Queues a move. It rejects when Redis can't be asked, and then it is unknown whether the move was made.
   *
   * @param weight about how many nodes are read or written
   */
  run(name: string, args: MoveArguments, weight = 1): Promise<RawAnswer> {
    return this.#ask({ name, weight, subject: null, args: [...args], asked: [] })
  }

  /**
   * Queues a part of a move that answers for each of its parts: those of a subject that come in one tick are made at
   * once, at the place of the first. Rejects as `run` does.
   */
  runPart(name: string, whole: Whole, args: MoveArguments): Promise<RawAnswer> {
    const { subject } = whole
    const begun = this.#pending.find((move) => move.subject === subject && move.name === name)
    if (!begun) {
      return this.#ask({ name, weight: 1, subject, args: [...whole.args, ...args], asked: [] })
    }
    begun.args.push(...args)
    begun.weight += 1
    return this.#wait(begun)
  }

  #ask(move: PendingMove): Promise<RawAnswer> {
    if (this.#pending.push(move) === 1) setImmediate(() => this.#flush())
    return this.#wait(move)
  }

  #wait({ asked }: PendingMove): Promise<RawAnswer> {
    return new Promise((resolve, reject) => asked.push({ resolve, reject }))
  }

  #flush(): void {
    const moves = this.#pending
    this.#pending = []
    for (let from = 0; from < moves.length; ) {
      const end = endOfCall(moves, from)
      this.#call(moves.slice(from, end))
      from = end
    }
  }

  #call(moves: readonly PendingMove[]): void {
    this.#send(moves).then(
      (reply) => answer(moves, reply),
      (cause: unknown) => {
        const error = new RepriseError('redis', `Redis refused the moves: ${messageOf(cause)}`, {
          cause,
        })
        for (const { asked } of moves) for (const { reject } of asked) reject(error)
      },
    )
  }

  async #send(moves: readonly PendingMove[]): Promise<unknown> {
    const argv: (string | number)[] = [...this.#settings]
    for (const { name, asked, args } of moves) argv.push(name, asked.length, args.length, ...args)
    return await this.#caller.call(this.#routingKey, argv)
  }
}

/** Where the call ends that begins with the move at `from`. */
function endOfCall(moves: readonly PendingMove[], from: number): number {
  let nodes = 0
  let end = from
  for (const { weight } of moves.slice(from, from + MAX_MOVES_PER_CALL)) {
    nodes += weight
    if (nodes > MAX_NODES_PER_CALL && end > from) break
    end += 1
  }
  return end
}

/** Hands out the reply of a script: per answer its length, then its fields (lua/lib/make-moves.lua). */
function answer(moves: readonly PendingMove[], reply: unknown): void {
  const fields: readonly unknown[] = Array.isArray(reply) ? reply : []
  let at = 0
  for (const { name, asked } of moves) {
    for (const { resolve, reject } of asked) {
      const end = at + 1 + Number(fields[at])
      if (end <= fields.length) resolve(fields.slice(at + 1, end))
      else reject(new RepriseError('internal', `the move ${name} got no answer`))
      at = end
    }
  }
}
