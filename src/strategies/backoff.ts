/** The same delay before every retry. */
export type ConstantBackoff = {
  readonly kind: 'constant'
  /** Milliseconds. */
  readonly delay: number
}

/** A delay that grows by itself: `d·n` (`start: 'one'`) or `d·(n-1)` (`start: 'zero'`). */
export type LinearBackoff = {
  readonly kind: 'linear'
  /** Milliseconds. */
  readonly delay: number
  readonly start: 'one' | 'zero'
}

/** A delay that is multiplied: `d·f^(n-1)`. */
export type ExponentialBackoff = {
  readonly kind: 'exponential'
  /** Milliseconds. */
  readonly delay: number
  readonly factor: number
}

/** Written-down delays; the last one repeats. */
export type ScheduleBackoff = {
  readonly kind: 'schedule'
  /** Milliseconds, at least one entry. */
  readonly delays: readonly number[]
}

/** How the delay before retry n follows from n. */
export type Backoff = ConstantBackoff | LinearBackoff | ExponentialBackoff | ScheduleBackoff

/**
 * The delay before retry `n`, in ms: a double, before cap, jitter and rounding. A delay that no double can hold is
 * `Infinity` (the cap follows); it is never NaN.
 *
 * @param n the number of the retry that is about to be scheduled, from 1
 */
export function backoffDelay(backoff: Backoff, n: number): number {
  switch (backoff.kind) {
    case 'constant':
      return constantDelay(backoff)
    case 'linear':
      return linearDelay(backoff, n)
    case 'exponential':
      return exponentialDelay(backoff, n)
    case 'schedule':
      return scheduleDelay(backoff, n)
  }
}

/** d */
export function constantDelay({ delay }: Pick<ConstantBackoff, 'delay'>): number {
  return delay
}

/** d·n, or d·(n-1) with `start: 'zero'`, which is what Procrastinate's `linear_wait` computes. */
export function linearDelay(
  { delay, start }: Pick<LinearBackoff, 'delay' | 'start'>,
  n: number,
): number {
  return delay * (start === 'one' ? n : n - 1)
}

/** d·f^(n-1), the binary exponential backoff of Ethernet (IEEE 802.3) with f = 2. */
export function exponentialDelay(
  { delay, factor }: Pick<ExponentialBackoff, 'delay' | 'factor'>,
  n: number,
): number {
  // 0 · Infinity is NaN: a delay of 0 stays 0 however large the power gets.
  return delay === 0 ? 0 : delay * factor ** (n - 1)
}

/** The nth delay, or the last one when there are fewer. */
export function scheduleDelay({ delays }: Pick<ScheduleBackoff, 'delays'>, n: number): number {
  const delay = delays[Math.min(n, delays.length) - 1]
  if (delay === undefined) throw new RangeError(`a schedule has no delay for retry ${n}`)
  return delay
}
