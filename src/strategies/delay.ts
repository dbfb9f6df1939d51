import { type Backoff, backoffDelay, configuredDelay, type SteadyBackoff } from './backoff.ts'
import { type DecorrelatedBackoff, decorrelatedRange } from './decorrelated-backoff.ts'
import { type JitterOption, jitterOf } from './jitter.ts'

/** What a delay is computed from. */
export type DelaySettings = Backoff & {
  readonly jitter: JitterOption
  /** The largest delay, a whole number of ms. */
  readonly maxDelay: number
}

/** A computed delay, step by step for the record. */
export interface RetryDelay {
  /** After the cap and before jitter: a double. Of `decorrelated`: the upper end of the range that is drawn from. */
  readonly baseMs: number
  /** After jitter and before rounding: a double. */
  readonly jitteredMs: number
  /** What is stored: a whole number in [0, maxDelay]. */
  readonly delayMs: number
}

/**
 * The delay before retry `n`: backoff, then cap, then jitter, then rounding. Jitter comes after the cap, so that a
 * capped herd still spreads; the base is capped so that the largest value its jitter can give is `maxDelay`.
 *
 * @param n the number of the retry, from 1
 * @param draw gives a random number in [0, 1); called only when one is needed
 * @param previousMs the delay before the last retry, which `decorrelated` goes by; 0 if there was none
 * @throws RangeError when a part is no number in its range, which a validated policy can't cause
 */
export function retryDelay(
  settings: DelaySettings,
  n: number,
  draw: () => number,
  previousMs = 0,
): RetryDelay {
  const { maxDelay } = settings
  const { baseMs, jitteredMs } =
    settings.kind === 'decorrelated'
      ? decorrelated(settings, draw, previousMs)
      : cappedAndSpread(settings, n, draw)
  const delayMs = Math.round(jitteredMs)
  if (!(Number.isSafeInteger(delayMs) && delayMs >= 0 && delayMs <= maxDelay)) {
    throw new RangeError(
      `the delay of retry ${n}: expected 0 to ${maxDelay} ms, got ${jitteredMs} ms`,
    )
  }
  return { baseMs, jitteredMs, delayMs }
}

/** The delay of retry `n` as the formulas give it, in ms: a double, before cap and rounding. */
export function uncappedDelay(
  settings: Backoff & Pick<DelaySettings, 'jitter'>,
  n: number,
  draw: () => number,
): number {
  if (settings.kind === 'decorrelated') {
    let previousMs = settings.delay
    for (let i = 0; i < n && Number.isFinite(previousMs); i++) {
      const { least, most } = decorrelatedRange(settings, previousMs, Number.POSITIVE_INFINITY)
      previousMs = least + (most - least) * draw()
    }
    return previousMs
  }
  const jitter = jitterOf(settings.jitter)
  const baseMs = backoffDelay(settings, n)
  return jitter.isRandom ? jitter.spread(baseMs, draw(), configuredDelay(settings)) : baseMs
}

type Steps = Omit<RetryDelay, 'delayMs'>

function cappedAndSpread(
  settings: DelaySettings & SteadyBackoff,
  n: number,
  draw: () => number,
): Steps {
  const { maxDelay } = settings
  const jitter = jitterOf(settings.jitter)
  // What is added to a base and taken from it is never more than half of what is allowed.
  const spreadBy = Math.min(configuredDelay(settings), maxDelay / 2)
  const baseMs = Math.min(backoffDelay(settings, n), jitter.largestBase(maxDelay, spreadBy))
  return { baseMs, jitteredMs: jitter.isRandom ? jitter.spread(baseMs, draw(), spreadBy) : baseMs }
}

function decorrelated(
  settings: DelaySettings & DecorrelatedBackoff,
  draw: () => number,
  previousMs: number,
): Steps {
  const { least, most } = decorrelatedRange(settings, previousMs, settings.maxDelay)
  return { baseMs: most, jitteredMs: least + (most - least) * draw() }
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
