/** Where a Redis came from: `REDIS_URL`, a server on PATH, Docker, a package just installed, or the embedded one. */
export type RedisSource = 'url' | 'local' | 'docker' | 'apt' | 'embedded'

/** A Redis that answers, is new enough, and never evicts. Whoever asked for it calls `stop()`. */
export interface ProvisionedRedis {
  /** What to connect to. It may hold a password: show `description` to people instead. */
  readonly url: string
  readonly source: RedisSource
  /** One line for people: which server, its version, where its data is, what a crash costs. */
  readonly description: string
  /** The server's own version, such as `7.0.15`. */
  readonly version: string
  /** What the user should know before relying on this Redis. */
  readonly notices: readonly string[]
  /** Ends what was started, and only that. A second call does nothing more. */
  stop(): Promise<void>
}

/** What one way of getting a Redis came to. */
export type Outcome =
  | { readonly status: 'ready'; readonly redis: ProvisionedRedis }
  | { readonly status: 'skipped'; readonly reason: string }

/** Takes one line of progress, such as `installing redis-server …`. */
export type Notify = (text: string) => void

/** The outcome of a way that can't be gone here. */
export function skipped(reason: string): Outcome {
  return { status: 'skipped', reason }
}
