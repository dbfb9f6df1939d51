import { z } from 'zod'
import type { Duration } from '../core/duration.ts'
import { MAX_DURATION_MS, policyDuration } from './duration-limits.ts'
import { checked, quote } from './option-schemas.ts'
import { isLockKey, isPriority, isQueueName, LOCK_KEY, MAX_PRIORITY } from './place.ts'

/** What a plug-in's `decide` returns to retry. Without a time the retry starts now; everything else stays as it is. */
export interface RetryDecision {
  /** How long to wait, at most 10 years. Not together with `retryAt`. */
  readonly retryIn?: Duration | undefined
  /** When to retry; a time that has passed means now. */
  readonly retryAt?: Date | undefined
  /** BullMQ's priority, 0 first, or a change of the one that the attempt had. */
  readonly priority?: number | { readonly delta: number } | undefined
  /** The queue to retry in; a worker must have served it within `unknownTaskTimeout`. */
  readonly queue?: string | undefined
  /** The lock that the node's attempts need from this retry on, 1 to 256 characters; null: none any more. */
  readonly lock?: string | null | undefined
  /** Is recorded with the decision. */
  readonly reason?: string | undefined
}

/** A decision after its check. */
export interface CheckedRetryDecision {
  readonly delayMs: number
  readonly queue: string
  readonly priority: number
  /** Undefined: as before. */
  readonly lock: string | null | undefined
  readonly reason: string | null
}

/** Where an attempt ran and when it is decided about, epoch ms. */
export interface DecisionSituation {
  readonly queue: string
  readonly priority: number
  readonly now: number
}

const decisionSchema = z
  .strictObject(
    {
      retryIn: policyDuration.optional(),
      retryAt: checked<Date>(
        'a valid Date',
        (value) => value instanceof Date && Number.isFinite(value.getTime()),
      ).optional(),
      priority: checked<number | { readonly delta: number }>(
        `a whole number from 0 to ${MAX_PRIORITY}, or { delta: a whole number }`,
        (value) => isPriority(value) || isDelta(value),
      ).optional(),
      queue: checked<string>("a queue's name", isQueueName).optional(),
      lock: checked<string | null>(
        `${LOCK_KEY}, or null`,
        (value) => value === null || isLockKey(value),
      ).optional(),
      reason: z.string().max(1_000).optional(),
    },
    {
      error: (issue) =>
        issue.code === 'invalid_type'
          ? `expected a decision such as { retryIn: '5s' }, or null to stop, got ${quote(issue.input)}`
          : undefined,
    },
  )
  .refine((decision) => decision.retryIn === undefined || decision.retryAt === undefined, {
    error: 'expected retryIn or retryAt, got both',
  })

/**
 * Checks what a plug-in's `decide` returned.
 *
 * @returns null for null: no retry
 * @throws RangeError that says what was expected and what was got
 */
export function readRetryDecision(
  answer: unknown,
  situation: DecisionSituation,
): CheckedRetryDecision | null {
  if (answer === null) return null
  const parsed = decisionSchema.safeParse(answer)
  if (!parsed.success) throw new RangeError(z.prettifyError(parsed.error))
  const { retryIn, retryAt, priority, queue, lock, reason } = parsed.data
  const delayMs =
    retryIn ?? (retryAt ? Math.max(0, Math.ceil(retryAt.getTime() - situation.now)) : 0)
  if (delayMs > MAX_DURATION_MS) {
    throw new RangeError(`retryAt: expected a time within 10 years, got ${retryAt?.toISOString()}`)
  }
  return {
    delayMs,
    queue: queue ?? situation.queue,
    priority: newPriority(priority, situation.priority),
    lock,
    reason: reason ?? null,
  }
}

function newPriority(
  wanted: number | { readonly delta: number } | undefined,
  current: number,
): number {
  if (wanted === undefined) return current
  if (typeof wanted === 'number') return wanted
  return Math.min(Math.max(0, current + wanted.delta), MAX_PRIORITY)
}

function isDelta(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.keys(value).length === 1 &&
    'delta' in value &&
    Number.isSafeInteger(value.delta)
  )
}
