import { policyDuration } from './duration-limits.ts'
import { oneOf } from './option-schemas.ts'

/** A delay that grows by itself: `d·n` (`start: 'one'`) or `d·(n-1)` (`start: 'zero'`). */
export type LinearBackoff = {
  readonly kind: 'linear'
  /** Milliseconds. */
  readonly delay: number
  readonly start: 'one' | 'zero'
}

export const linearShape = {
  delay: policyDuration,
  start: oneOf(['one', 'zero']).default('one'),
}

/** d·n, or d·(n-1) with `start: 'zero'`, which is what Procrastinate's `linear_wait` computes. */
export function linearDelay(
  { delay, start }: Pick<LinearBackoff, 'delay' | 'start'>,
  n: number,
): number {
  return delay * (start === 'one' ? n : n - 1)
}
