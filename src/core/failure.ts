import type { Json } from './json.ts'

/**
 * What ended an attempt badly: the handler threw (`error`), its time ran out (`timeout`), its worker was lost
 * (`crash`: the lease went to somebody else), or its worker was shut down gracefully (`interrupted`).
 */
export type FailureKind = 'error' | 'timeout' | 'crash' | 'interrupted'

/** An error as it is stored: plain data, safe to send, log and match on. */
export interface StoredError {
  /** The error's `name`, such as `HttpError`. */
  readonly name: string
  /** The names of its classes, nearest first, without `Object`: `['HttpError', 'Error']`. */
  readonly names: readonly string[]
  readonly message: string
  /** A string code such as `ECONNRESET`, where the error has one (or the nearest cause that has). */
  readonly code?: string
  /** An HTTP status, where the error has one as `status` or `statusCode`. */
  readonly status?: number
  /** How long the other side asks to wait, in ms, where the error has it as `retryAfterMs`. */
  readonly retryAfterMs?: number
  /** False when the error itself asks for no retry. */
  readonly retryable?: boolean
  readonly cause?: StoredError
}

/** The error of an attempt that was lost with its worker; lua/lib/crash.lua writes the same. */
export const workerLost: StoredError = {
  name: 'WorkerLost',
  names: ['WorkerLost', 'Error'],
  message: 'the worker was lost during this attempt',
}

/** A failed attempt, as handlers, plans and policies see it. */
export interface Failure {
  readonly kind: FailureKind
  readonly error: StoredError
}

/** Why a failed node is not retried. The last line holds the failures that are no attempt's error. */
export type StopReason =
  | 'exhausted'
  | 'abort_on'
  | 'not_in_retry_on'
  | 'not_in_kinds'
  | 'predicate_false'
  | 'predicate_error'
  | 'non_retryable'
  | 'elapsed'
  | 'budget'
  | 'cancelled'
  | 'crash_loop'
  | 'retries_disabled'
  | 'policy_error'
  | 'no_policy'
  | 'invalid_input'
  | 'not_serializable'
  | 'no_handler'
  | 'input_missing'
  | 'map_invalid'
  | 'deadline'
  | 'expired'
  | 'result_expired'

/** The rule that allowed a retry. */
export type RetryRule = 'policy' | 'retry_requested' | 'crash' | 'interrupted'

/** What was decided after a failure. Stored with the attempt, so that "why?" has an answer. */
export type RecordedDecision =
  | {
      readonly action: 'retry'
      readonly rule: RetryRule
      /** Which part of a composed policy decided, such as `rules[1].chain[0]`; a plug-in's name. Absent: the policy. */
      readonly part?: string
      /** The delay before jitter and after the cap, in ms. */
      readonly baseMs: number
      /** The random draw in [0, 1), or null where none was needed. */
      readonly random: number | null
      /** The delay after jitter and before rounding, in ms. Absent where nothing was drawn: it is the base. */
      readonly jitteredMs?: number
      /** The delay that was stored: a whole number of ms. */
      readonly delayMs: number
      /** The retry's number, from 1. */
      readonly retryNumber: number
      /** The limit that applied; null without limit. */
      readonly maxRetries: number | null
      /** Where the node goes, if the decision moves it. */
      readonly place?: { readonly queue: string; readonly priority: number }
      /** The lock that the node's attempts need from then on, null for none. Absent: as before. */
      readonly lock?: string | null
      /** What the plug-in gave as its reason. */
      readonly detail?: string
    }
  | {
      readonly action: 'stop'
      readonly reason: StopReason
      /** What the rule compared, in words, such as `5 of 5 retries used`. */
      readonly detail?: string
    }

const MAX_MESSAGE = 8_192
const MAX_CAUSES = 5
const MAX_CLASSES = 50

/**
 * Turns anything that was thrown into stored data. It never throws: frozen errors, throwing getters, `null`,
 * `undefined` and plain strings are ordinary failures.
 */
export function storeError(thrown: unknown, depth = 0): StoredError {
  if (typeof thrown !== 'object' || thrown === null) {
    const name = thrown === null || thrown === undefined ? 'Error' : 'NonError'
    return {
      name,
      names: [name],
      message: truncate(`thrown ${typeof thrown === 'string' ? thrown : safeText(thrown)}`),
    }
  }
  const cause = depth < MAX_CAUSES ? read(thrown, 'cause') : undefined
  const storedCause =
    cause === undefined || cause === thrown ? undefined : storeError(cause, depth + 1)
  const names = classNames(thrown)
  const ownName = read(thrown, 'name')
  const name = typeof ownName === 'string' && ownName !== '' ? ownName : (names[0] ?? 'Error')
  const message = read(thrown, 'message')
  const code = read(thrown, 'code')
  const status = [read(thrown, 'status'), read(thrown, 'statusCode')].find(Number.isFinite)
  const retryAfterMs = read(thrown, 'retryAfterMs')
  const retryable = read(thrown, 'retryable')
  const storedCode = typeof code === 'string' ? code : storedCause?.code
  return {
    name,
    names: names.includes(name) ? names : [name, ...names],
    message: truncate(typeof message === 'string' ? message : safeText(thrown)),
    ...(storedCode === undefined ? {} : { code: storedCode }),
    ...(typeof status === 'number' ? { status } : {}),
    ...(isWait(retryAfterMs) ? { retryAfterMs } : {}),
    ...(typeof retryable === 'boolean' ? { retryable } : {}),
    ...(storedCause === undefined ? {} : { cause: storedCause }),
  }
}

function isWait(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

function classNames(thrown: object): string[] {
  const names: string[] = []
  try {
    let proto = Object.getPrototypeOf(thrown)
    // A bound, because a proxy's prototype chain can be endless.
    for (
      let depth = 0;
      proto && depth < MAX_CLASSES;
      depth++, proto = Object.getPrototypeOf(proto)
    ) {
      const name: unknown = proto.constructor?.name
      if (typeof name === 'string' && name !== '' && name !== 'Object') names.push(name)
    }
  } catch {
    // A hostile prototype has no names: the failure is recorded all the same.
  }
  return names
}

function read(from: object, key: string): unknown {
  try {
    return Reflect.get(from, key)
  } catch {
    return undefined
  }
}

function safeText(value: unknown): string {
  try {
    const text: string | undefined =
      typeof value === 'object' ? JSON.stringify(value) : String(value)
    return text ?? 'a value that has no text'
  } catch {
    return 'a value that has no text'
  }
}

function truncate(text: string): string {
  return text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE)}…` : text
}

/** Guards data read back from Redis: an unreadable failure is shown as what it is. */
export function isFailure(value: Json | undefined): value is Json & Failure {
  return typeof value === 'object' && value !== null && 'kind' in value && 'error' in value
}
