import { policyDuration } from './duration-limits.ts'

/** A delay that grows by about 1.618 each time: `d·F(n)`, with F = 1, 1, 2, 3, 5, … */
export type FibonacciBackoff = {
  readonly kind: 'fibonacci'
  /** Milliseconds. */
  readonly delay: number
}

export const fibonacciShape = { delay: policyDuration }

/** F(1477) is more than a double can hold. */
const LAST_FINITE = 1_476

/** d·F(n), the nth Fibonacci number: F(1) = F(2) = 1. */
export function fibonacciDelay({ delay }: Pick<FibonacciBackoff, 'delay'>, n: number): number {
  if (delay === 0) return 0
  if (n > LAST_FINITE) return Number.POSITIVE_INFINITY
  let [current, next] = [1, 1]
  for (let i = 1; i < n; i++) [current, next] = [next, current + next]
  return delay * current
}
