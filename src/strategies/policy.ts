import type { Duration } from '../core/duration.ts'
import type { FailureKind } from '../core/failure.ts'
import type { BreakerSettings, BudgetSettings } from '../core/shared-limits.ts'
import type { Backoff } from './backoff.ts'
import { frozenCopy } from './frozen-copy.ts'
import type { JitterName } from './jitter.ts'
import type { Matcher } from './matchers.ts'
import { parseOptions } from './option-schemas.ts'
import type {
  ConstantOptions,
  ExponentialOptions,
  LinearOptions,
  NoneOptions,
  PolicyOptions,
  Predicate,
} from './policy-options.ts'
import { type PolicyKind, policySchemas } from './policy-schema.ts'

// Types and not interfaces, so that a spec is assignable to Json.
type Limits = {
  /** Null without limit. */
  readonly maxRetries: number | null
  /** Milliseconds. */
  readonly maxDelay: number
  /** Milliseconds. */
  readonly maxElapsed?: number | undefined
  readonly maxCrashes: number
  readonly jitter: JitterName
  readonly kinds?: readonly FailureKind[] | undefined
  readonly budget?: BudgetSettings | undefined
  readonly breaker?: BreakerSettings | undefined
}

/** The part of a policy that is plain JSON, with every default filled in and durations in ms. */
export type PolicySpec =
  | ({ readonly kind: 'none' } & Pick<Limits, 'maxCrashes' | 'breaker'>)
  | (Backoff & Limits)

/**
 * Marks policies, so that two copies of this package know each other's.
 * @internal
 */
export const POLICY: unique symbol = Symbol.for('reprise.policy')

/** A retry policy: immutable data, and what it matches errors with. Build one with {@link policy}. */
export interface Policy {
  readonly [POLICY]: true
  readonly spec: PolicySpec
  /** Null when every error is retried. */
  readonly retryOn: readonly Matcher[] | null
  /** Null when no error is excluded. */
  readonly abortOn: readonly Matcher[] | null
  readonly when: Predicate | null
}

/**
 * The retry policies. n is the number of the retry, from 1; d is `delay`. All durations are milliseconds or strings
 * such as `'5s'`. Of several policies that are given for a node one is used whole: they are never merged.
 *
 * @example
 * policy.exponential({ delay: '1s', maxRetries: 5, maxDelay: '1m', retryOn: [HttpError, 'ECONNRESET', '5xx'] })
 */
export const policy = {
  /**
   * Waits d before every retry. Without jitter, unless it is asked for.
   * @throws DefinitionError that names each bad option
   */
  constant: (options: ConstantOptions): Policy => buildPolicy('constant', options),

  /**
   * Waits d·n, or d·(n-1) with `start: 'zero'`. Without jitter, unless it is asked for.
   * @throws DefinitionError that names each bad option
   */
  linear: (options: LinearOptions): Policy => buildPolicy('linear', options),

  /**
   * Waits d·f^(n-1): with the defaults at most 1 s, 2 s, 4 s, …, 1 h, each spread with full jitter, as "Exponential
   * Backoff And Jitter" (AWS Architecture Blog, 2015) recommends. `retry: 5` is `exponential({ maxRetries: 5 })`.
   * @throws DefinitionError that names each bad option
   */
  exponential: (options: ExponentialOptions = {}): Policy => buildPolicy('exponential', options),

  /**
   * Waits the delays as they are written; the last one repeats if `maxRetries` is more than there are.
   * @param delays 1 to 1,000 durations
   * @throws DefinitionError that names each bad option
   *
   * @example
   * policy.schedule(['10s', '1m', '10m'])
   */
  schedule: (delays: readonly Duration[], options: PolicyOptions = {}): Policy =>
    buildPolicy('schedule', { ...options, delays }),

  /**
   * No retry after a failure. A node that is lost with its worker is still started again, up to `maxCrashes` times;
   * `none({ maxCrashes: 0 })` never starts a node twice.
   * @throws DefinitionError that names each bad option
   */
  none: (options: NoneOptions = {}): Policy => buildPolicy('none', options),
} as const

/**
 * Validates options and makes a frozen policy of them.
 *
 * @param where what the user called, for the error
 * @throws DefinitionError that names each bad option
 */
export function buildPolicy(kind: PolicyKind, options: object, where = `policy.${kind}`): Policy {
  if (kind === 'none') {
    const spec = parseOptions(policySchemas.none, options, where)
    return freezePolicy({ spec, retryOn: null, abortOn: null, when: null })
  }
  const parsed = parseOptions(policySchemas[kind], options, where)
  const { retryOn = null, abortOn = null, when = null, ...spec } = parsed
  return freezePolicy({ spec, retryOn, abortOn, when })
}

/** True for a policy, also for one of another copy of this package. */
export function isPolicy(value: unknown): value is Policy {
  return typeof value === 'object' && value !== null && POLICY in value && value[POLICY] === true
}

function freezePolicy(parts: Omit<Policy, typeof POLICY>): Policy {
  return Object.freeze({
    [POLICY]: true as const,
    spec: frozenCopy(parts.spec),
    retryOn: parts.retryOn && Object.freeze([...parts.retryOn]),
    abortOn: parts.abortOn && Object.freeze([...parts.abortOn]),
    when: parts.when,
  })
}
