// Types and not interfaces, so that they are assignable to Json.

/** How many retries the whole fleet may make under one key: a token bucket. Every default is filled in. */
export type BudgetSettings = {
  readonly key: string
  /** Tokens that a node's first attempt adds. */
  readonly ratio: number
  /** Tokens that a second adds, above 0. */
  readonly minPerSecond: number
  /** Tokens that the bucket holds at most. */
  readonly burst: number
}

/** When the breaker of one key opens, and how it closes again. Every default is filled in, durations are ms. */
export type BreakerSettings = {
  readonly key: string
  /** How long it stays open before probes are let through. */
  readonly openFor: number
  /** So many probes are let through, and have to succeed. */
  readonly probes: number
  /** How many of the nodes that waited are let through in a second once it has closed. */
  readonly releasePerSecond: number
} & BreakerTrip

/** What opens a breaker. */
export type BreakerTrip =
  /** So many failures one after the other. */
  | { readonly failures: number }
  /** A share of the attempts of a sliding window, if there were enough of them. */
  | { readonly failureRatio: number; readonly window: number; readonly minAttempts: number }

/** What an attempt's end says about the service behind a breaker; `neutral` says nothing. */
export type BreakerVerdict = 'succeeded' | 'failed' | 'neutral'
