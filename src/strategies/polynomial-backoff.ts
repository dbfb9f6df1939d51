import { policyDuration } from './duration-limits.ts'
import { checked } from './option-schemas.ts'

/** A delay that grows with a power of n: `d·n^e`. */
export type PolynomialBackoff = {
  readonly kind: 'polynomial'
  /** Milliseconds. */
  readonly delay: number
  readonly exponent: number
}

export const polynomialShape = {
  delay: policyDuration,
  exponent: checked<number>(
    'a finite number from 0',
    (value) => Number.isFinite(value) && Number(value) >= 0,
  ).default(2),
}

/** d·n^e: faster than linear, slower than exponential. Sidekiq's and Faktory's retries grow so, with e = 4. */
export function polynomialDelay(
  { delay, exponent }: Pick<PolynomialBackoff, 'delay' | 'exponent'>,
  n: number,
): number {
  return delay === 0 ? 0 : delay * n ** exponent
}
