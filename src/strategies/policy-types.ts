import type { FailureKind } from '../core/failure.ts'
import type { Json } from '../core/json.ts'
import type { BreakerSettings, BudgetSettings } from '../core/shared-limits.ts'
import type { Backoff } from './backoff.ts'
import type { JitterOption } from './jitter.ts'
import type { Matcher } from './matchers.ts'
import type { PolicyFailure } from './policy-failure.ts'
import type { Predicate } from './policy-options.ts'
import type { PreviewedRetry, PreviewOptions } from './preview.ts'

// Types and not interfaces, so that a spec is assignable to Json.
type LimitsOfNone = {
  readonly maxCrashes: number
  /** Null or absent: no limit. */
  readonly maxInterruptions?: number | null | undefined
  readonly breaker?: BreakerSettings | undefined
}

/** The plain JSON of a policy that computes a delay: every default is filled in, durations are ms. */
export type DelaySpec = Backoff &
  LimitsOfNone & {
    /** Null without limit. */
    readonly maxRetries: number | null
    /** Milliseconds. */
    readonly maxDelay: number
    /** Milliseconds. */
    readonly maxElapsed?: number | undefined
    /** Null or absent: no limit. */
    readonly maxTotalAttempts?: number | null | undefined
    readonly jitter: JitterOption
    readonly kinds?: readonly FailureKind[] | undefined
    readonly budget?: BudgetSettings | undefined
  }

/** The plain JSON of `policy.none()`. */
export type NoneSpec = { readonly kind: 'none' } & LimitsOfNone

/**
 * Marks policies, so that two copies of this package know each other's.
 * @internal
 */
export const POLICY: unique symbol = Symbol.for('reprise.policy')

interface PolicyBase {
  readonly [POLICY]: true
  /**
   * The delays that the policy gives before the first retries: exactly for a run and a node, or their spread over many
   * runs.
   *
   * @param retries how many retries to look at, 1 to 10,000; fewer come back where the policy allows fewer
   * @throws DefinitionError for a bad option, and for a plug-in, whose decisions nobody can foresee
   */
  preview(retries: number, options?: PreviewOptions): PreviewedRetry[]
}

/** A policy that computes its delays, from its own settings alone. */
export interface DelayPolicy extends PolicyBase {
  readonly type: 'delay'
  readonly spec: DelaySpec
  /** Null when every error is retried. */
  readonly retryOn: readonly Matcher[] | null
  /** Null when no error is excluded. */
  readonly abortOn: readonly Matcher[] | null
  readonly when: Predicate | null
}

/** A policy that never retries a failure. */
export interface NonePolicy extends PolicyBase {
  readonly type: 'none'
  readonly spec: NoneSpec
}

/** The first rule that matches the error says which policy is used. */
export interface RulesPolicy extends PolicyBase {
  readonly type: 'rules'
  /** `on` is null for a rule that matches every error. */
  readonly rules: readonly { readonly on: readonly Matcher[] | null; readonly use: Policy }[]
}

/** Each policy takes over when the one before has given all its retries. */
export interface ChainPolicy extends PolicyBase {
  readonly type: 'chain'
  readonly policies: readonly Policy[]
}

/** A plug-in, by name. */
export interface NamedPolicy extends PolicyBase {
  readonly type: 'named'
  readonly name: string
  /** As they were given, and are sent. */
  readonly options: Json
  /** Null until a registry has found the plug-in of that name. */
  readonly decide: ((failure: PolicyFailure) => unknown) | null
}

/** A retry policy: immutable data, and what it matches errors with. Build one with `policy`. */
export type Policy = DelayPolicy | NonePolicy | RulesPolicy | ChainPolicy | NamedPolicy

/** True for a policy, also for one of another copy of this package. */
export function isPolicy(value: unknown): value is Policy {
  return typeof value === 'object' && value !== null && POLICY in value && value[POLICY] === true
}
