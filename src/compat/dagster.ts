import { z } from 'zod'
import { DefinitionError } from '../core/errors.ts'
import type { JitterOption } from '../strategies/jitter.ts'
import { countSchema, parseOptions } from '../strategies/option-schemas.ts'
import { policy } from '../strategies/policy.ts'
import type { DelayPolicy } from '../strategies/policy-types.ts'
import { NO_CAP, seconds } from './foreign-options.ts'

/** Dagster's `RetryPolicy`. */
export interface DagsterPolicyOptions {
  /** @default 1 */
  readonly maxRetries?: number | undefined
  /** Seconds. Without it a retry starts at once. */
  readonly delay?: number | null | undefined
  /** Without it the delay stays the same. Needs `delay`. */
  readonly backoff?: 'LINEAR' | 'EXPONENTIAL' | null | undefined
  /** Needs `delay`. */
  readonly jitter?: 'FULL' | 'PLUS_MINUS' | null | undefined
}

const schema = z.strictObject({
  maxRetries: countSchema.default(1),
  delay: seconds.nullish(),
  backoff: z.enum(['LINEAR', 'EXPONENTIAL']).nullish(),
  jitter: z.enum(['FULL', 'PLUS_MINUS']).nullish(),
})

/**
 * A Dagster `RetryPolicy` as one of ours: constant d, LINEAR d·n, EXPONENTIAL (2^n - 1)·d. A lost worker costs Dagster a
 * retry: `maxCrashes` is `maxRetries`, in a ledger of its own.
 *
 * @throws DefinitionError for what Dagster refuses too: `backoff` or `jitter` without `delay`, wrong values
 */
export function dagsterPolicy(options: DagsterPolicyOptions = {}): DelayPolicy {
  const { maxRetries, delay, backoff, jitter } = parseOptions(schema, options, 'dagsterPolicy()')
  if ((delay === undefined || delay === null) && (backoff || jitter)) {
    throw new DefinitionError('dagsterPolicy(): backoff and jitter need a delay; got none')
  }
  const common = {
    delay: delay ?? 0,
    maxRetries,
    maxCrashes: maxRetries,
    jitter: jitterOf(jitter),
    ...NO_CAP,
  }
  switch (backoff) {
    case 'LINEAR':
      return policy.linear(common)
    case 'EXPONENTIAL':
      return policy.exponential({ ...common, form: 'dagster' })
    default:
      return policy.constant(common)
  }
}

function jitterOf(jitter: DagsterPolicyOptions['jitter']): JitterOption {
  if (jitter === 'FULL') return 'full'
  return jitter === 'PLUS_MINUS' ? 'plusMinus' : 'none'
}
