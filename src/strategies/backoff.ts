import type { DecorrelatedBackoff } from './decorrelated-backoff.ts'
import { type PlainBackoff, plainDelay, type SumBackoff, sumDelay } from './sum-backoff.ts'

/** How the delay before retry n follows from n. */
export type SteadyBackoff = PlainBackoff | SumBackoff

/** How the delay before retry n comes about: from n, or from the delay before. */
export type Backoff = SteadyBackoff | DecorrelatedBackoff

/**
 * The delay before retry `n`, in ms: a double, before cap, jitter and rounding. A delay that no double can hold is
 * `Infinity` (the cap follows); it is never NaN. Each formula stands in a file of its own (`linear-backoff.ts`, …).
 *
 * @param n the number of the retry that is about to be scheduled, from 1
 */
export function backoffDelay(backoff: SteadyBackoff, n: number): number {
  return backoff.kind === 'sum' ? sumDelay(backoff, n) : plainDelay(backoff, n)
}

/** The longest delay that somebody wrote down in a backoff, in ms: no default cap cuts it. */
export function writtenDelay(backoff: Backoff): number {
  switch (backoff.kind) {
    case 'schedule':
      return Math.max(...backoff.delays)
    case 'sum':
      return backoff.parts.reduce((total, part) => total + writtenDelay(part), 0)
    default:
      return backoff.delay
  }
}

/** The delay d of a backoff, in ms: the first one of a schedule, the parts' of a sum. What `plusMinus` spreads by. */
export function configuredDelay(backoff: SteadyBackoff): number {
  switch (backoff.kind) {
    case 'schedule':
      return backoff.delays[0] ?? 0
    case 'sum':
      return backoff.parts.reduce((total, part) => total + configuredDelay(part), 0)
    default:
      return backoff.delay
  }
}
