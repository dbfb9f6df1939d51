import { policyDuration } from './duration-limits.ts'
import { checked, oneOf } from './option-schemas.ts'

/** How an exponential delay grows. */
export type ExponentialForm = 'factor' | 'power' | 'dagster'

/** A delay that is multiplied: `d·f^(n-1)`, or one of the two other forms that other schedulers have. */
export type ExponentialBackoff = {
  readonly kind: 'exponential'
  /** Milliseconds. */
  readonly delay: number
  /** Counts only with the form `factor`. */
  readonly factor: number
  readonly form: ExponentialForm
}

export const exponentialShape = {
  delay: policyDuration.default(1_000),
  factor: checked<number>(
    'a finite number from 1',
    (value) => Number.isFinite(value) && Number(value) >= 1,
  ).default(2),
  form: oneOf<ExponentialForm>(['factor', 'power', 'dagster']).default('factor'),
}

/**
 * `factor`: d·f^(n-1), the binary exponential backoff of Ethernet (IEEE 802.3) with f = 2. `power`: d^n with d in
 * seconds, which is what Procrastinate's `exponential_wait` computes. `dagster`: (2^n - 1)·d, Dagster's EXPONENTIAL.
 */
export function exponentialDelay(
  { delay, factor, form }: Omit<ExponentialBackoff, 'kind'>,
  n: number,
): number {
  // 0 · Infinity is NaN: a delay of 0 stays 0 however large the power gets.
  if (delay === 0) return 0
  switch (form) {
    case 'factor':
      return delay * factor ** (n - 1)
    case 'power':
      return (delay / 1_000) ** n * 1_000
    case 'dagster':
      return (2 ** n - 1) * delay
  }
}
