import { z } from 'zod'
import type { Duration } from '../core/duration.ts'
import { storeError } from '../core/failure.ts'
import { checked, durationSchema, limitSchema, parseOptions } from './option-schemas.ts'

const RETRY_REQUESTED = Symbol.for('reprise.retry_requested')
const NON_RETRYABLE = Symbol.for('reprise.non_retryable')

/** What {@link RetryRequested} takes. Give `delay` or `at`, or neither: the retry then starts at once. */
export interface RetryRequestedOptions {
  /**
   * How many retries the node may have had in all, whoever asked for them; `Infinity` for no limit.
   * @default 1
   */
  readonly maxRetries?: number | undefined
  /** How long to wait, such as `'30s'` or what a `Retry-After` header said. At most 24 h are honoured. */
  readonly delay?: Duration | undefined
  /** When to retry; a time that has passed means at once. At most 24 h from now are honoured. */
  readonly at?: Date | undefined
  /** The error underneath; its message and code become this error's where it has none of its own. */
  readonly cause?: unknown
  readonly message?: string | undefined
}

const optionsSchema = z
  .strictObject({
    maxRetries: limitSchema.default(1),
    delay: durationSchema.optional(),
    at: checked<Date>(
      'a valid Date',
      (value) => value instanceof Date && Number.isFinite(value.getTime()),
    ).optional(),
    cause: z.unknown().optional(),
    message: z.string().optional(),
  })
  .refine((options) => options.delay === undefined || options.at === undefined, {
    error: 'expected delay or at, got both',
  })

/**
 * Thrown by a handler to ask for a retry of its node. It beats the policy (also `abortOn` and having no policy), but
 * not `retries: 'off'`, a cancel, or the policy's `maxElapsed`. Once the node has had `maxRetries` retries, whoever
 * asked for them, it fails with the reason `exhausted`.
 *
 * @example
 * throw new RetryRequested({ delay: '30s', maxRetries: 3, cause: error })
 */
export class RetryRequested extends Error {
  override readonly name: string = 'RetryRequested'
  /** Null without limit. */
  readonly maxRetries: number | null
  /** Milliseconds, or null. */
  readonly delayMs: number | null
  /** Milliseconds since 1970, or null. */
  readonly atMs: number | null

  /** @throws DefinitionError that names each bad option; its cause is `options.cause`, so that it isn't lost */
  constructor(options: RetryRequestedOptions = {}) {
    const { maxRetries, delay, at, cause, message } = parseOptions(
      optionsSchema,
      options,
      'RetryRequested',
      options.cause,
    )
    super(message ?? defaultMessage(cause), cause === undefined ? {} : { cause })
    this.maxRetries = maxRetries
    this.delayMs = delay ?? null
    this.atMs = at?.getTime() ?? null
  }

  /** @internal */
  get [RETRY_REQUESTED](): true {
    return true
  }
}

/**
 * Thrown by a handler whose failure no retry can mend: the node fails with the reason `non_retryable`, whatever the
 * policy. An error of your own with `retryable: false` does the same.
 *
 * @example
 * throw new NonRetryable('the card was declined', { cause: error })
 */
export class NonRetryable extends Error {
  override readonly name: string = 'NonRetryable'
  /** Is stored with the error, so that it is known after the error has been sent. */
  readonly retryable = false

  /** @internal */
  get [NON_RETRYABLE](): true {
    return true
  }
}

/** What a retry request asks for. */
export interface RetryRequest {
  readonly maxRetries: number | null
  readonly delayMs: number | null
  readonly atMs: number | null
}

const requestSchema = z.object({
  maxRetries: limitSchema,
  delayMs: durationSchema.nullable(),
  atMs: z.number().nullable(),
})

/**
 * The request that a thrown value carries, or null if it is no `RetryRequested`, of any copy of this package.
 *
 * @throws DefinitionError for one whose fields were tampered with
 */
export function readRetryRequest(thrown: unknown): RetryRequest | null {
  if (!isBranded(thrown, RETRY_REQUESTED)) return null
  return parseOptions(requestSchema, thrown, 'RetryRequested')
}

/** True for a `NonRetryable`, of any copy of this package. */
export function isNonRetryable(thrown: unknown): boolean {
  return isBranded(thrown, NON_RETRYABLE)
}

/** True for a value that carries the brand. It never throws, whatever was thrown. */
export function isBranded(thrown: unknown, brand: symbol): boolean {
  if (typeof thrown !== 'object' || thrown === null) return false
  try {
    return Reflect.get(thrown, brand) === true
  } catch {
    // What can't be read carries no brand: an ordinary failure.
    return false
  }
}

function defaultMessage(cause: unknown): string {
  return cause === undefined ? 'the handler asked for a retry' : storeError(cause).message
}
