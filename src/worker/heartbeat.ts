import type { RedisConnection } from '../coordinator/connection.ts'
import {
  announceWorker,
  HEARTBEAT_MS,
  type WorkerAnnouncement,
  withdrawWorker,
} from '../coordinator/fleet.ts'
import type { ShardKeys } from '../coordinator/keys.ts'
import { messageOf } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'

/** What a heartbeat needs. */
export interface HeartbeatParts {
  readonly redis: RedisConnection
  readonly keys: ShardKeys
  readonly logger: Logger
  readonly announcement: WorkerAnnouncement
}

/** Tells the fleet, every few seconds, that a worker lives and what it knows. */
export class Heartbeat {
  readonly #parts: HeartbeatParts
  #timer: NodeJS.Timeout | undefined
  #last: Promise<void> = Promise.resolve()

  constructor(parts: HeartbeatParts) {
    this.#parts = parts
  }

  start(): void {
    this.#beat()
    this.#timer = setInterval(() => this.#beat(), HEARTBEAT_MS)
    this.#timer.unref()
  }

  /** Waits until the worker was announced for the first time. */
  async started(): Promise<void> {
    await this.#last
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    const { redis, keys, announcement } = this.#parts
    // With the connection away the announcement ends by itself: closing must not wait for Redis to come back.
    if (redis.status !== 'ready') return
    await this.#last
    await withdrawWorker(redis, keys, announcement).catch((error: unknown) => this.#warn(error))
  }

  #beat(): void {
    const { redis, keys, announcement } = this.#parts
    this.#last = announceWorker(redis, keys, announcement).catch((error: unknown) =>
      this.#warn(error),
    )
  }

  #warn(error: unknown): void {
    this.#parts.logger.warn({ error: messageOf(error) }, 'the worker could not announce itself')
  }
}
