import { type JobsOptions, Queue } from 'bullmq'
import type { RedisConnection } from '../coordinator/connection.ts'
import { EVENT_STREAM_LENGTH } from './job-options.ts'

/** The BullMQ queues of one shard, for adding jobs and looking at them. Opened when first used. */
export class Queues {
  readonly #connection: RedisConnection
  readonly #prefix: string
  readonly #onError: (error: Error) => void
  readonly #queues = new Map<string, Queue>()

  /** The connection stays its owner's; `onError` hears of every error event, which would end the process unheard. */
  constructor(connection: RedisConnection, prefix: string, onError: (error: Error) => void) {
    this.#connection = connection
    this.#prefix = prefix
    this.#onError = onError
  }

  /** Adds a job. An existing id, in whatever state, is left as it is. */
  async add(queue: string, name: string, data: object, options: JobsOptions): Promise<void> {
    await this.get(queue).add(name, data, options)
  }

  get(name: string): Queue {
    const known = this.#queues.get(name)
    if (known) return known
    const queue = new Queue(name, {
      connection: this.#connection,
      prefix: this.#prefix,
      streams: { events: { maxLen: EVENT_STREAM_LENGTH } },
    })
    queue.on('error', this.#onError)
    this.#queues.set(name, queue)
    return queue
  }

  async close(): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()))
  }
}
