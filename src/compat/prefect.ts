import { z } from 'zod'
import { DefinitionError } from '../core/errors.ts'
import { type Matcher, matchersSchema } from '../strategies/matchers.ts'
import { checked, countSchema, parseOptions, quote } from '../strategies/option-schemas.ts'
import { policy } from '../strategies/policy.ts'
import type { Predicate } from '../strategies/policy-options.ts'
import type { Policy } from '../strategies/policy-types.ts'
import type { RunRetryOptions } from '../strategies/run-retry.ts'
import { NO_CAP, seconds } from './foreign-options.ts'

/** Prefect's greatest number of delays. */
const MOST_DELAYS = 50

/** Prefect's `exponential_backoff`: a number of retries becomes as many delays in seconds, at most 50. */
export type ExponentialBackoff = (retries: number) => readonly number[]

/**
 * Prefect's `exponential_backoff(backoff_factor)`: the delays f, 2f, 4f, … in seconds.
 *
 * @param factor seconds
 */
export function exponentialBackoff(factor: number): ExponentialBackoff {
  return (retries) =>
    Array.from({ length: Math.min(retries, MOST_DELAYS) }, (_, i) => factor * 2 ** i)
}

/** The retry settings of a Prefect 2 or 3 task. */
export interface PrefectRetriesOptions {
  /** @default 0 */
  readonly retries?: number | undefined
  /** Seconds: one delay, up to 50 delays (the last repeats), or `exponentialBackoff(f)`. @default 0 */
  readonly retryDelaySeconds?: number | readonly number[] | ExponentialBackoff | null | undefined
  /** The x of `{ clampedPoisson: x }`, from 0. */
  readonly retryJitterFactor?: number | null | undefined
  /** Prefect's `retry_condition_fn`; it gets our failure. */
  readonly retryConditionFn?: Predicate | undefined
}

const retriesSchema = z.strictObject({
  retries: countSchema.default(0),
  retryDelaySeconds: z.unknown().optional(),
  retryJitterFactor: z.number().min(0).nullish(),
  retryConditionFn: checked<Predicate>(
    'a function',
    (value) => typeof value === 'function',
  ).optional(),
})

const delaysSchema = z
  .array(seconds)
  .min(1, 'expected at least one delay, got an empty list')
  .max(MOST_DELAYS, `expected at most ${MOST_DELAYS} delays`)

/**
 * The retries of a Prefect 2 or 3 task as one of our policies.
 *
 * @throws DefinitionError for what Prefect refuses too: more than 50 delays, a negative jitter factor, other types
 */
export function prefectRetries(options: PrefectRetriesOptions = {}): Policy {
  const where = 'prefectRetries()'
  const { retries, retryDelaySeconds, retryJitterFactor, retryConditionFn } = parseOptions(
    retriesSchema,
    options,
    where,
  )
  const given = delaysIn(retryDelaySeconds, retries)
  const delays = parseOptions(delaysSchema, given, `${where}: retryDelaySeconds`)
  return policy.schedule(delays, {
    maxRetries: retries,
    jitter: retryJitterFactor ? { clampedPoisson: retryJitterFactor } : 'none',
    when: retryConditionFn,
    ...NO_CAP,
  })
}

function delaysIn(given: unknown, retries: number): readonly unknown[] {
  if (given === undefined || given === null) return [0]
  if (typeof given === 'number') return [given]
  if (Array.isArray(given)) return given
  if (typeof given === 'function') return delaysIn(given(Math.max(1, retries)), retries)
  throw new DefinitionError(
    `prefectRetries(): retryDelaySeconds: expected seconds, a list of them or exponentialBackoff(factor), got ${quote(given)}`,
  )
}

/** The retry settings of a Prefect 0.x or 1.x task. */
export interface PrefectTaskOptions {
  /** @default 0 */
  readonly maxRetries?: number | undefined
  /** Seconds. Given if and only if `maxRetries` is more than 0. */
  readonly retryDelay?: number | undefined
  /** A class or name, or several; only these errors are retried. */
  readonly retryOn?: Matcher | readonly Matcher[] | undefined
}

const taskSchema = z.strictObject({
  maxRetries: countSchema.default(0),
  retryDelay: seconds.optional(),
  retryOn: z.unknown().optional(),
})

/**
 * The retries of a Prefect 0.x or 1.x task as one of our policies: the same delay before each.
 *
 * @throws DefinitionError for what Prefect refuses too: `maxRetries` without `retryDelay`, and the other way round
 */
export function prefectTask(options: PrefectTaskOptions = {}): Policy {
  const where = 'prefectTask()'
  const { maxRetries, retryDelay, retryOn } = parseOptions(taskSchema, options, where)
  if (maxRetries > 0 && retryDelay === undefined) {
    throw new DefinitionError(`${where}: maxRetries ${maxRetries} needs a retryDelay; got none`)
  }
  if (maxRetries === 0 && retryDelay !== undefined) {
    throw new DefinitionError(`${where}: retryDelay needs maxRetries; got none`)
  }
  const list = retryOn === undefined || Array.isArray(retryOn) ? retryOn : [retryOn]
  return policy.constant({
    delay: retryDelay ?? 0,
    maxRetries,
    retryOn: parseOptions(matchersSchema.optional(), list, `${where}: retryOn`),
    ...NO_CAP,
  })
}

/** The retry settings of a Prefect 2 or 3 flow. */
export interface PrefectFlowRetriesOptions {
  /** @default 0 */
  readonly retries?: number | undefined
  /** Seconds. @default 0 */
  readonly retryDelaySeconds?: number | null | undefined
}

const flowRetriesSchema = z.strictObject({
  retries: countSchema.default(0),
  retryDelaySeconds: seconds.nullish(),
})

/**
 * The retries of a Prefect 2 or 3 flow as one of our `runRetry` options. A retried Prefect flow calls its function again, which
 * takes the results of tasks that were persisted; ours always are.
 *
 * @throws DefinitionError for what Prefect refuses too
 */
export function prefectFlowRetries(options: PrefectFlowRetriesOptions = {}): RunRetryOptions {
  const { retries, retryDelaySeconds } = parseOptions(
    flowRetriesSchema,
    options,
    'prefectFlowRetries()',
  )
  return {
    maxRetries: retries,
    strategy: 'from-failure',
    policy: policy.constant({ delay: retryDelaySeconds ?? 0, ...NO_CAP }),
  }
}
