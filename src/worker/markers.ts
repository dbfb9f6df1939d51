import { createRedisBackend } from 'bullmq'
import type { RedisConnection } from '../coordinator/connection.ts'

/**
 * The longest that a worker blocks for the next job before it looks by itself, in seconds: BullMQ's `drainDelay`. A
 * worker that is frozen takes a wake-up with it, and the others find the job at their next look.
 */
export const DRAIN_DELAY_SECONDS = 2

/**
 * Wakes idle workers in time for delayed jobs (R15). A blocked worker is released by Redis' own timer, which ticks `hz`
 * times a second: with the default 10 a retry starts up to 100 ms late. A write of the queue's marker, which all block
 * on, releases one at once. So whoever delays a job for a moment, and every idle worker that knows of a delayed job,
 * writes the marker at its due time. No polling: a write per due time and process.
 */
export class Markers {
  readonly #connection: RedisConnection
  readonly #prefix: string
  /** By queue and due time in ms, so that many jobs that are due together cost one write. */
  readonly #timers = new Map<string, NodeJS.Timeout>()

  constructor(connection: RedisConnection, prefix: string) {
    this.#connection = connection
    this.#prefix = prefix
  }

  /**
   * A job of the queue was delayed here by that many ms. Where that is longer than workers block, all idle ones will
   * have seen the job, and wake themselves.
   */
  delayed(queue: string, delayMs: number): void {
    if (delayMs > DRAIN_DELAY_SECONDS * 1_000) return
    const dueMs = Math.ceil(performance.now() + delayMs) + 1
    const name = `${queue} ${dueMs}`
    if (this.#timers.has(name)) return
    const timer = setTimeout(() => {
      this.#timers.delete(name)
      this.#write(queue)
    }, dueMs - performance.now())
    this.#timers.set(name, timer.unref())
  }

  /** BullMQ's backend, with a timer for each block that would end at a due time. */
  get backend(): typeof createRedisBackend {
    return (queue, options, details) => {
      const backend = createRedisBackend(queue, options, details)
      const waitForJob = backend.waitForJob.bind(backend)
      backend.waitForJob = async (blockSeconds) => {
        if (blockSeconds >= DRAIN_DELAY_SECONDS) return waitForJob(blockSeconds)
        const timer = setTimeout(() => this.#write(queue), Math.ceil(blockSeconds * 1_000) + 1)
        try {
          return await waitForJob(blockSeconds)
        } finally {
          clearTimeout(timer)
        }
      }
      return backend
    }
  }

  close(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
  }

  #write(queue: string): void {
    this.#connection.zadd(`${this.#prefix}:${queue}:marker`, 0, '0').catch(() => {
      // Redis is away: the block ends by its own timer.
    })
  }
}
