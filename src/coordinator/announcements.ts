import type { RedisConnection } from './connection.ts'

/** What the scripts announce on a run's channel: that something changed, or that the run ended. */
export type Announcement = 'started' | 'settled' | 'ended'

type Listener = (what: Announcement) => void

interface Channel {
  readonly listeners: Set<Listener>
  /** Settles when Redis has confirmed the subscription: only then does nothing get past a listener. */
  readonly subscribed: Promise<unknown>
}

/**
 * Hears of changes to runs by one subscriber connection. An announcement is a hint, never the truth: whoever gets one
 * reads the run, and reads it now and then without one, because Redis doesn't promise delivery.
 */
export class Announcements {
  readonly #redis: RedisConnection
  readonly #channels = new Map<string, Channel>()

  /** Takes over a connection for subscribing; `close` ends it. */
  constructor(redis: RedisConnection) {
    this.#redis = redis
    redis.on('message', (name: string, what: string) => {
      const listeners = this.#channels.get(name)?.listeners ?? []
      for (const listener of listeners) listener(what as Announcement)
    })
  }

  /** Calls `listener` at every announcement on the channel until the returned function is called. */
  async listen(name: string, listener: Listener): Promise<() => void> {
    const channel = this.#channels.get(name) ?? this.#subscribe(name)
    channel.listeners.add(listener)
    const stop = () => this.#stop(name, channel, listener)
    try {
      await channel.subscribed
    } catch (error) {
      stop()
      throw error
    }
    return stop
  }

  #subscribe(name: string): Channel {
    const channel = { listeners: new Set<Listener>(), subscribed: this.#redis.subscribe(name) }
    this.#channels.set(name, channel)
    return channel
  }

  #stop(name: string, channel: Channel, listener: Listener): void {
    channel.listeners.delete(listener)
    if (channel.listeners.size > 0 || this.#channels.get(name) !== channel) return
    this.#channels.delete(name)
    this.#redis.unsubscribe(name).catch(() => {
      // The connection is gone, and with it the subscription.
    })
  }

  close(): void {
    this.#redis.disconnect()
  }
}
