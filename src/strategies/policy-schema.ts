import { z } from 'zod'
import type { FailureKind } from '../core/failure.ts'
import { JITTER_NAMES, type JitterName } from './jitter.ts'
import { matchersSchema } from './matchers.ts'
import {
  checked,
  countSchema,
  durationSchema,
  limitSchema,
  listOf,
  quote,
} from './option-schemas.ts'
import type { Predicate } from './policy-options.ts'
import { breakerSchema, budgetSchema } from './shared-limits.ts'

const HOUR_MS = 3_600_000

// BullMQ keeps due times as timestamp · 4096 in a double, which is exact until 2039.
const MAX_DURATION_MS = 3_650 * 24 * HOUR_MS

const KINDS: readonly FailureKind[] = ['error', 'timeout', 'crash', 'interrupted']

const duration = durationSchema.refine((ms) => ms <= MAX_DURATION_MS, {
  error: (issue) => `expected at most 10 years, got ${quote(issue.input)} ms`,
})

const maxRetries = limitSchema.default(3)

const maxCrashes = countSchema.default(3)

function oneOf<T extends string>(names: readonly T[]) {
  const list = names.map((name) => `'${name}'`).join(', ')
  return checked<T>(`one of ${list}`, (value) => names.some((name) => name === value))
}

function commonOptions(defaultJitter: JitterName) {
  return {
    maxDelay: duration.optional(),
    maxElapsed: duration.optional(),
    maxCrashes,
    jitter: oneOf(JITTER_NAMES).default(defaultJitter),
    kinds: listOf(oneOf(KINDS), 'failure kinds')
      .min(1, 'expected at least one kind, got an empty list; leave the option out for all kinds')
      .optional(),
    retryOn: matchersSchema.optional(),
    abortOn: matchersSchema.optional(),
    when: checked<Predicate>('a function', (value) => typeof value === 'function').optional(),
    budget: budgetSchema.optional(),
    breaker: breakerSchema.optional(),
  }
}

// A delay that somebody wrote down is never cut by a default.
function maxDelayOf(given: number | undefined, longestMs: number): number {
  return given ?? Math.max(HOUR_MS, longestMs)
}

/** The options of each constructor, by kind. The output has every default filled in, and all durations in ms. */
export const policySchemas = {
  none: z
    .strictObject({ maxCrashes, breaker: breakerSchema.optional() })
    .transform((options) => ({ kind: 'none' as const, ...options })),

  constant: z
    .strictObject({ delay: duration, maxRetries, ...commonOptions('none') })
    .transform((options) => ({
      kind: 'constant' as const,
      ...options,
      maxDelay: maxDelayOf(options.maxDelay, options.delay),
    })),

  linear: z
    .strictObject({
      delay: duration,
      start: oneOf(['one', 'zero']).default('one'),
      maxRetries,
      ...commonOptions('none'),
    })
    .transform((options) => ({
      kind: 'linear' as const,
      ...options,
      maxDelay: maxDelayOf(options.maxDelay, options.delay),
    })),

  exponential: z
    .strictObject({
      delay: duration.default(1_000),
      factor: checked<number>(
        'a finite number from 1',
        (value) => Number.isFinite(value) && Number(value) >= 1,
      ).default(2),
      maxRetries,
      ...commonOptions('full'),
    })
    .transform((options) => ({
      kind: 'exponential' as const,
      ...options,
      maxDelay: maxDelayOf(options.maxDelay, options.delay),
    })),

  schedule: z
    .strictObject({
      delays: listOf(duration, 'durations')
        .min(1, 'expected at least one delay, got an empty list')
        .max(1_000, 'expected at most 1000 delays'),
      maxRetries: limitSchema.optional(),
      ...commonOptions('none'),
    })
    .transform((options) => ({
      kind: 'schedule' as const,
      ...options,
      maxRetries: options.maxRetries === undefined ? options.delays.length : options.maxRetries,
      maxDelay: maxDelayOf(options.maxDelay, Math.max(...options.delays)),
    })),
}

/** What a policy is built from: the name of its constructor. */
export type PolicyKind = keyof typeof policySchemas
