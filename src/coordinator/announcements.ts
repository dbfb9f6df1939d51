import type { RedisConnection } from './connection.ts'

/** What the scripts announce on a run's channel: that something changed, or that the run ended. */
export type Announcement = 'started' | 'settled' | 'ended'

type Listener = (what: Announcement) => void

/**
 * Hears of changes to runs by one subscriber connection. An announcement is a hint, never the truth: whoever gets one
 * reads the run, and reads it now and then without one, because Redis doesn't promise delivery.
 */
export class Announcements {
  readonly #redis: RedisConnection
  readonly #listeners = new Map<string, Set<Listener>>()

  /** Takes over a connection for subscribing; `close` ends it. */
  constructor(redis: RedisConnection) {
    this.#redis = redis
    redis.on('message', (channel: string, what: string) => {
      for (const listener of this.#listeners.get(channel) ?? []) listener(what as Announcement)
    })
  }

  /** Calls `listener` at every announcement on the channel until the returned function is called. */
  async listen(channel: string, listener: Listener): Promise<() => void> {
    const listeners = this.#listeners.get(channel) ?? new Set()
    this.#listeners.set(channel, listeners)
    listeners.add(listener)
    const stop = () => this.#stop(channel, listeners, listener)
    try {
      if (listeners.size === 1) await this.#redis.subscribe(channel)
    } catch (error) {
      stop()
      throw error
    }
    return stop
  }

  #stop(channel: string, listeners: Set<Listener>, listener: Listener): void {
    listeners.delete(listener)
    if (listeners.size > 0 || this.#listeners.get(channel) !== listeners) return
    this.#listeners.delete(channel)
    this.#redis.unsubscribe(channel).catch(() => {
      // The connection is gone, and with it the subscription.
    })
  }

  close(): void {
    this.#redis.disconnect()
  }
}
