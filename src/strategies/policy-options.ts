import type { Duration } from '../core/duration.ts'
import type { FailureKind } from '../core/failure.ts'
import type { ExponentialForm } from './exponential-backoff.ts'
import type { JitterOption } from './jitter.ts'
import type { Matcher } from './matchers.ts'
import type { PolicyFailure } from './policy-failure.ts'
import type { BreakerOptions, BudgetOptions } from './shared-limits.ts'

/** Decides about one failure, after every other rule has allowed a retry. See {@link PolicyOptions.when}. */
export type Predicate = (failure: PolicyFailure) => boolean | Promise<boolean>

/** The options that every policy but `none` has. */
export interface PolicyOptions {
  /**
   * How many retries there are at most, not counting the first attempt; `Infinity` for no limit. `0` means none.
   * @default 3; for `schedule` the number of its delays
   */
  readonly maxRetries?: number | undefined
  /**
   * The largest delay. The delay is capped before jitter, so that a capped herd still spreads.
   * @default '1h', or the longest delay that is written in the policy, where that is longer
   */
  readonly maxDelay?: Duration | undefined
  /**
   * No retry starts later than this after the first start of the node, also none asked for by `RetryRequested`.
   * @default no limit
   */
  readonly maxElapsed?: Duration | undefined
  /**
   * How often the node may be lost with its worker. Crashes have their own ledger: they cost no retry, and the next
   * attempt starts at once.
   * @default 3
   */
  readonly maxCrashes?: number | undefined
  /**
   * How often the node may be interrupted by a graceful shutdown and start again; `Infinity` for no limit.
   * Interruptions have their own ledger: they cost no retry, and the next attempt starts at once.
   * @default no limit
   */
  readonly maxInterruptions?: number | undefined
  /**
   * How many attempts the node may have in all, whatever began them (retries, crashes, retries by hand), those in the runs that
   * its run repeats included; beats `RetryRequested`. It decides after failures: how often a crash is followed by an attempt is up to `maxCrashes`.
   * @default no limit
   */
  readonly maxTotalAttempts?: number | undefined
  /**
   * How the delay is spread: `'none'`, `'full'` U(0, b), `'equal'` b/2 + U(0, b/2), `'plusMinus'` b ± d,
   * `{ proportional: x }` b·U(1-x, 1+x), or `{ clampedPoisson: x }`.
   * @default 'full' for `exponential`, 'none' for the others
   */
  readonly jitter?: JitterOption | undefined
  /**
   * Only failures of these kinds are retried. Without `'crash'` a lost node is not started again (`maxCrashes` is 0).
   * @default all kinds
   */
  readonly kinds?: readonly FailureKind[] | undefined
  /**
   * Only these errors are retried: classes, names, codes, HTTP statuses (`503`), status classes (`'5xx'`).
   * @default every error
   */
  readonly retryOn?: readonly Matcher[] | undefined
  /**
   * These errors are not retried; it wins over `retryOn`. Entries as there.
   * @default no error
   */
  readonly abortOn?: readonly Matcher[] | undefined
  /**
   * Asked last, when a retry is allowed by everything else: `true` retries, `false` stops with the reason
   * `predicate_false`. If it throws, rejects, takes longer than 5 s or gives no boolean, the node fails with
   * `predicate_error`. The failure that it gets is frozen. A policy with it can't be given at enqueue.
   */
  readonly when?: Predicate | undefined
  /**
   * Retries of the whole fleet that share a key are bounded together: one that finds no token waits for its turn.
   * @default no bound
   */
  readonly budget?: BudgetOptions | undefined
  /**
   * While the service behind it fails, attempts of the whole fleet wait instead of starting.
   * @default none
   */
  readonly breaker?: BreakerOptions | undefined
}

/** Options of `policy.constant`. */
export interface ConstantOptions extends PolicyOptions {
  /** The delay before every retry. */
  readonly delay: Duration
}

/** Options of `policy.linear`. */
export interface LinearOptions extends PolicyOptions {
  /** The delay d that grows by itself. */
  readonly delay: Duration
  /**
   * `'one'`: d, 2d, 3d, …; `'zero'`: 0, d, 2d, …
   * @default 'one'
   */
  readonly start?: 'one' | 'zero' | undefined
}

/** Options of `policy.exponential`. */
export interface ExponentialOptions extends PolicyOptions {
  /**
   * The delay d before the first retry.
   * @default '1s'
   */
  readonly delay?: Duration | undefined
  /**
   * What each delay is multiplied by, at least 1.
   * @default 2
   */
  readonly factor?: number | undefined
  /**
   * `'factor'`: d·f^(n-1); `'power'`: d^n with d in seconds; `'dagster'`: (2^n - 1)·d. The last two ignore `factor`.
   * @default 'factor'
   */
  readonly form?: ExponentialForm | undefined
}

/** Options of `policy.polynomial`. */
export interface PolynomialOptions extends PolicyOptions {
  /** The delay d before the first retry. */
  readonly delay: Duration
  /**
   * The e in d·n^e, from 0.
   * @default 2
   */
  readonly exponent?: number | undefined
}

/** Options of `policy.fibonacci`. */
export interface FibonacciOptions extends PolicyOptions {
  /** The delay d before the first two retries. */
  readonly delay: Duration
}

/** Options of `policy.decorrelated`. */
export interface DecorrelatedOptions extends Omit<PolicyOptions, 'jitter'> {
  /** The least delay d. */
  readonly delay: Duration
}

/** Options of `policy.none`. */
export type NoneOptions = Pick<PolicyOptions, 'maxCrashes' | 'maxInterruptions' | 'breaker'>
