import { z } from 'zod'
import { type Matcher, matchersSchema } from '../strategies/matchers.ts'
import { checked, countSchema, limitSchema, parseOptions } from '../strategies/option-schemas.ts'
import { isLockKey, isPriority, isQueueName, LOCK_KEY } from '../strategies/place.ts'
import { policy } from '../strategies/policy.ts'
import type { Policy } from '../strategies/policy-types.ts'
import type { RetryDecision } from '../strategies/retry-decision.ts'
import { NO_CAP, seconds } from './foreign-options.ts'

/** Procrastinate's `RetryStrategy`. All times are seconds. */
export interface ProcrastinateStrategyOptions {
  /** How many retries there are; none given or null: no limit. */
  readonly maxAttempts?: number | null | undefined
  /** @default 0 */
  readonly wait?: number | undefined
  /** Times the number of earlier retries: `linearWait: 5` waits 0, 5, 10, … @default 0 */
  readonly linearWait?: number | undefined
  /** To the power of the retry's number: `exponentialWait: 5` waits 5, 25, 125, … @default 0 */
  readonly exponentialWait?: number | undefined
  /** Classes or names; only these errors are retried. An empty list is refused. */
  readonly retryExceptions?: readonly Matcher[] | undefined
}

const strategySchema = z.strictObject({
  maxAttempts: limitSchema.nullish(),
  wait: seconds.default(0),
  linearWait: seconds.default(0),
  exponentialWait: seconds.default(0),
  retryExceptions: matchersSchema.optional(),
})

/**
 * What Procrastinate takes as `retry`, as one of our policies: its strategy waits the sum
 * wait + linearWait·(n-1) + exponentialWait^n. A number is a limit without waits, `true` no limit and no waits; 0,
 * `false` and null are no retries.
 *
 * @throws DefinitionError that names each bad option
 */
export function procrastinateStrategy(
  retry: ProcrastinateStrategyOptions | number | boolean | null,
): Policy {
  if (retry === null || retry === false) return policy.none()
  if (typeof retry === 'number') return fromOptions({ maxAttempts: retry })
  return fromOptions(retry === true ? {} : retry)
}

function fromOptions(options: ProcrastinateStrategyOptions): Policy {
  const { maxAttempts, wait, linearWait, exponentialWait, retryExceptions } = parseOptions(
    strategySchema,
    options,
    'procrastinateStrategy()',
  )
  return policy.sum(
    [
      { kind: 'constant', delay: wait },
      { kind: 'linear', delay: linearWait, start: 'zero' },
      { kind: 'exponential', delay: exponentialWait, form: 'power' },
    ],
    { maxRetries: maxAttempts ?? Number.POSITIVE_INFINITY, retryOn: retryExceptions, ...NO_CAP },
  )
}

/** Procrastinate's `RetryDecision`. */
export interface ProcrastinateDecisionOptions {
  readonly retryAt?: Date | undefined
  /** The arguments of a `timedelta`. */
  readonly retryIn?:
    | {
        readonly seconds?: number | undefined
        readonly minutes?: number | undefined
        readonly hours?: number | undefined
        readonly days?: number | undefined
        readonly weeks?: number | undefined
      }
    | undefined
  /** BullMQ's, 0 first; Procrastinate's own runs the other way. */
  readonly priority?: number | undefined
  readonly queue?: string | undefined
  /** None given or null: the lock stays. */
  readonly lock?: string | null | undefined
}

const timedelta = z.strictObject({
  seconds: seconds.default(0),
  minutes: seconds.default(0),
  hours: seconds.default(0),
  days: seconds.default(0),
  weeks: seconds.default(0),
})

const decisionSchema = z
  .strictObject({
    retryAt: z.date().optional(),
    retryIn: timedelta.optional(),
    priority: checked<number>('a BullMQ priority', isPriority).pipe(countSchema).optional(),
    queue: checked<string>("a queue's name", isQueueName).optional(),
    lock: checked<string>(LOCK_KEY, isLockKey).nullish(),
  })
  .refine(({ retryAt, retryIn }) => retryAt === undefined || retryIn === undefined, {
    error: 'expected retryAt or retryIn, got both',
  })

/**
 * A Procrastinate `RetryDecision` as what a plug-in's `decide` returns. Without a time the retry starts now.
 *
 * @throws DefinitionError for both times, and for wrong values
 */
export function procrastinateDecision(options: ProcrastinateDecisionOptions = {}): RetryDecision {
  const { retryAt, retryIn, priority, queue, lock } = parseOptions(
    decisionSchema,
    options,
    'procrastinateDecision()',
  )
  return {
    ...(retryAt && { retryAt }),
    ...(retryIn && { retryIn: totalMs(retryIn) }),
    ...(priority !== undefined && { priority }),
    ...(queue !== undefined && { queue }),
    ...(lock && { lock }),
  }
}

// The schema has turned every field from seconds to ms, as if each were seconds.
function totalMs({ seconds: s, minutes, hours, days, weeks }: z.output<typeof timedelta>): number {
  return s + 60 * minutes + 3_600 * hours + 86_400 * days + 604_800 * weeks
}
