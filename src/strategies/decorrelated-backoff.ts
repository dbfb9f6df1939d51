import { policyDuration } from './duration-limits.ts'

/** Each delay is drawn anew between d and three times the one before. It is its own jitter. */
export type DecorrelatedBackoff = {
  readonly kind: 'decorrelated'
  /** Milliseconds. */
  readonly delay: number
}

export const decorrelatedShape = { delay: policyDuration }

/**
 * The range [d, 3·previous) that the next delay is drawn from, both ends cut to `maxDelay`, so that a capped herd still
 * spreads. Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 *
 * @param previousMs the delay before the last retry; d before the first one
 */
export function decorrelatedRange(
  { delay }: Pick<DecorrelatedBackoff, 'delay'>,
  previousMs: number,
  maxDelay: number,
): { readonly least: number; readonly most: number } {
  const previous = Math.max(delay, previousMs)
  return { least: Math.min(delay, maxDelay), most: Math.min(3 * previous, maxDelay) }
}
