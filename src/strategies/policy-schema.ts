import { z } from 'zod'
import type { FailureKind } from '../core/failure.ts'
import { type Backoff, writtenDelay } from './backoff.ts'
import { constantShape } from './constant-backoff.ts'
import { decorrelatedShape } from './decorrelated-backoff.ts'
import { HOUR_MS, policyDuration } from './duration-limits.ts'
import { exponentialShape } from './exponential-backoff.ts'
import { fibonacciShape } from './fibonacci-backoff.ts'
import { type JitterOption, jitterSchema, largestSpread } from './jitter.ts'
import { linearShape } from './linear-backoff.ts'
import { matchersSchema } from './matchers.ts'
import { checked, countSchema, limitSchema, listOf, oneOf } from './option-schemas.ts'
import type { Predicate } from './policy-options.ts'
import { polynomialShape } from './polynomial-backoff.ts'
import { scheduleShape } from './schedule-backoff.ts'
import { breakerSchema, budgetSchema } from './shared-limits.ts'
import { sumShape } from './sum-backoff.ts'

const KINDS: readonly FailureKind[] = ['error', 'timeout', 'crash', 'interrupted']

const maxRetries = limitSchema.default(3)

/** What holds also where nothing is retried. */
const limitsOfNone = {
  maxCrashes: countSchema.default(3),
  maxInterruptions: limitSchema.optional(),
  breaker: breakerSchema.optional(),
}

const limits = {
  ...limitsOfNone,
  maxDelay: policyDuration.optional(),
  maxElapsed: policyDuration.optional(),
  maxTotalAttempts: limitSchema.optional(),
  kinds: listOf(oneOf(KINDS), 'failure kinds')
    .min(1, 'expected at least one kind, got an empty list; leave the option out for all kinds')
    .optional(),
  retryOn: matchersSchema.optional(),
  abortOn: matchersSchema.optional(),
  when: checked<Predicate>('a function', (value) => typeof value === 'function').optional(),
  budget: budgetSchema.optional(),
}

const plain = { ...limits, jitter: jitterSchema.default('none') }

type Uncapped = Backoff & {
  readonly jitter: JitterOption
  readonly maxDelay?: number | undefined
}

// A delay that somebody wrote down is never cut by a default, nor is what its jitter makes of it.
function withCap<Spec extends Uncapped>(spec: Spec): Spec & { maxDelay: number } {
  const written = writtenDelay(spec)
  const longest = spec.kind === 'decorrelated' ? 3 * written : largestSpread(spec.jitter, written)
  return { ...spec, maxDelay: spec.maxDelay ?? Math.ceil(Math.max(HOUR_MS, longest)) }
}

/** The options of each constructor, by kind. The output has every default filled in, and all durations in ms. */
export const policySchemas = {
  none: z
    .strictObject(limitsOfNone)
    .transform((options) => ({ kind: 'none' as const, ...options })),

  constant: z
    .strictObject({ ...constantShape, maxRetries, ...plain })
    .transform((options) => withCap({ kind: 'constant' as const, ...options })),

  linear: z
    .strictObject({ ...linearShape, maxRetries, ...plain })
    .transform((options) => withCap({ kind: 'linear' as const, ...options })),

  exponential: z
    .strictObject({
      ...exponentialShape,
      maxRetries,
      ...limits,
      jitter: jitterSchema.default('full'),
    })
    .transform((options) => withCap({ kind: 'exponential' as const, ...options })),

  polynomial: z
    .strictObject({ ...polynomialShape, maxRetries, ...plain })
    .transform((options) => withCap({ kind: 'polynomial' as const, ...options })),

  fibonacci: z
    .strictObject({ ...fibonacciShape, maxRetries, ...plain })
    .transform((options) => withCap({ kind: 'fibonacci' as const, ...options })),

  schedule: z
    .strictObject({ ...scheduleShape, maxRetries: limitSchema.optional(), ...plain })
    .transform(({ maxRetries = undefined, ...options }) =>
      withCap({
        kind: 'schedule' as const,
        ...options,
        maxRetries: maxRetries === undefined ? options.delays.length : maxRetries,
      }),
    ),

  sum: z
    .strictObject({ ...sumShape, maxRetries, ...plain })
    .transform((options) => withCap({ kind: 'sum' as const, ...options })),

  decorrelated: z
    .strictObject({
      ...decorrelatedShape,
      maxRetries,
      ...limits,
      // It draws its delays itself; the name is only there so that its JSON form has one.
      jitter: oneOf(['none']).default('none'),
    })
    .transform((options) => withCap({ kind: 'decorrelated' as const, ...options })),
}

/** What a policy is built from: the name of its constructor. */
export type PolicyKind = keyof typeof policySchemas
