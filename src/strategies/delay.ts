import { type Backoff, backoffDelay } from './backoff.ts'
import { JITTERS, type JitterName } from './jitter.ts'

/** What a delay is computed from. */
export type DelaySettings = Backoff & {
  readonly jitter: JitterName
  /** The largest delay, a whole number of ms. */
  readonly maxDelay: number
}

/** A computed delay, with the step before jitter for the record. */
export interface RetryDelay {
  /** After the cap and before jitter: a double. */
  readonly baseMs: number
  /** What is stored: a whole number in [0, maxDelay]. */
  readonly delayMs: number
}

/**
 * The delay before retry `n`: backoff, then cap, then jitter, then rounding. Jitter comes after the cap, so that a
 * capped herd still spreads; the base is capped so that the largest value its jitter can give is `maxDelay`.
 *
 * @param n the number of the retry, from 1
 * @param draw gives a random number in [0, 1); called only when the jitter needs one
 * @throws RangeError when a part is no number in its range, which a validated policy can't cause
 */
export function retryDelay(settings: DelaySettings, n: number, draw: () => number): RetryDelay {
  const jitter = JITTERS[settings.jitter]
  const baseMs = Math.min(backoffDelay(settings, n), settings.maxDelay / jitter.largest)
  const spread = jitter.isRandom ? jitter.spread(baseMs, draw()) : baseMs
  const delayMs = Math.round(spread)
  if (!(Number.isSafeInteger(delayMs) && delayMs >= 0 && delayMs <= settings.maxDelay)) {
    throw new RangeError(
      `the delay of retry ${n}: expected 0 to ${settings.maxDelay} ms, got ${spread} ms`,
    )
  }
  return { baseMs, delayMs }
}

/** A random source that is asked at most once; `drawn` is null until then. */
export interface Draw {
  readonly next: () => number
  readonly drawn: () => number | null
}

/**
 * Makes a random source lazy and repeatable within one decision: jitter and `failure.random` see the same number.
 * `next` throws a RangeError when the source gives anything outside [0, 1).
 */
export function drawOnce(random: () => number): Draw {
  let drawn: number | null = null
  return {
    drawn: () => drawn,
    next: () => {
      drawn ??= checkDraw(random())
      return drawn
    },
  }
}

function checkDraw(value: number): number {
  if (value >= 0 && value < 1) return value
  throw new RangeError(`random: expected a number in [0, 1), got ${value}`)
}
