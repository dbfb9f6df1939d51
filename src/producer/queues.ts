import { type JobsOptions, Queue } from 'bullmq'
import type { RedisConnection } from '../coordinator/connection.ts'
import { EVENT_STREAM_LENGTH } from './job-options.ts'

/** Who hears of what happens to queues. */
export interface QueueListeners {
  /** Hears of every error event, which would end the process unheard. */
  onError(error: Error): void
  /** A job was added with a delay, in ms. */
  onDelayed?(queue: string, delayMs: number): void
}

/** The BullMQ queues of one shard, for adding jobs and looking at them. Opened when first used. */
export class Queues {
  readonly #connection: RedisConnection
  readonly #prefix: string
  readonly #listeners: QueueListeners
  readonly #queues = new Map<string, Queue>()

  /** The connection stays its owner's. */
  constructor(connection: RedisConnection, prefix: string, listeners: QueueListeners) {
    this.#connection = connection
    this.#prefix = prefix
    this.#listeners = listeners
  }

  /** Adds a job. An existing id, in whatever state, is left as it is. */
  async add(queue: string, name: string, data: object, options: JobsOptions): Promise<void> {
    await this.get(queue).add(name, data, options)
    if (options.delay) this.#listeners.onDelayed?.(queue, options.delay)
  }

  get(name: string): Queue {
    const known = this.#queues.get(name)
    if (known) return known
    const queue = new Queue(name, {
      connection: this.#connection,
      prefix: this.#prefix,
      streams: { events: { maxLen: EVENT_STREAM_LENGTH } },
    })
    queue.on('error', this.#listeners.onError)
    this.#queues.set(name, queue)
    return queue
  }

  async close(): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()))
  }
}
