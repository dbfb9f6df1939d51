import type { Duration } from '../core/duration.ts'
import type { Json } from '../core/json.ts'
import { buildDelay, buildNone } from './build-policy.ts'
import { buildChain, buildRules, type PolicyRule } from './compose.ts'
import { buildNamed } from './define-policy.ts'
import type {
  ConstantOptions,
  DecorrelatedOptions,
  ExponentialOptions,
  FibonacciOptions,
  LinearOptions,
  NoneOptions,
  PolicyOptions,
  PolynomialOptions,
} from './policy-options.ts'
import type {
  ChainPolicy,
  DelayPolicy,
  NamedPolicy,
  NonePolicy,
  Policy,
  RulesPolicy,
} from './policy-types.ts'
import type { SumPart } from './sum-backoff.ts'

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
  constant: (options: ConstantOptions): DelayPolicy => buildDelay('constant', options),

  /**
   * Waits d·n, or d·(n-1) with `start: 'zero'`. Without jitter, unless it is asked for.
   * @throws DefinitionError that names each bad option
   */
  linear: (options: LinearOptions): DelayPolicy => buildDelay('linear', options),

  /**
   * Waits d·f^(n-1): with the defaults at most 1 s, 2 s, 4 s, …, 1 h, each spread with full jitter, as "Exponential
   * Backoff And Jitter" (AWS Architecture Blog, 2015) recommends. `retry: 5` is `exponential({ maxRetries: 5 })`.
   * Other forms: `'power'` d^n (d in seconds) and `'dagster'` (2^n - 1)·d.
   * @throws DefinitionError that names each bad option
   */
  exponential: (options: ExponentialOptions = {}): DelayPolicy =>
    buildDelay('exponential', options),

  /**
   * Waits d·n^e. Without jitter, unless it is asked for.
   * @throws DefinitionError that names each bad option
   */
  polynomial: (options: PolynomialOptions): DelayPolicy => buildDelay('polynomial', options),

  /**
   * Waits d·F(n) with F = 1, 1, 2, 3, 5, … Without jitter, unless it is asked for.
   * @throws DefinitionError that names each bad option
   */
  fibonacci: (options: FibonacciOptions): DelayPolicy => buildDelay('fibonacci', options),

  /**
   * Waits the delays as they are written; the last one repeats if `maxRetries` is more than there are.
   * @param delays 1 to 1,000 durations
   * @throws DefinitionError that names each bad option
   *
   * @example
   * policy.schedule(['10s', '1m', '10m'])
   */
  schedule: (delays: readonly Duration[], options: PolicyOptions = {}): DelayPolicy =>
    buildDelay('schedule', { ...options, delays }),

  /**
   * Waits the sum of several backoffs. Without jitter, unless it is asked for.
   * @param parts 1 to 20 backoffs as plain data, without limits and jitter of their own
   * @throws DefinitionError that names each bad option
   *
   * @example
   * policy.sum([{ kind: 'constant', delay: '10s' }, { kind: 'linear', delay: '5s', start: 'zero' }])
   */
  sum: (parts: readonly SumPart[], options: PolicyOptions = {}): DelayPolicy =>
    buildDelay('sum', { ...options, parts }),

  /**
   * Waits U(d, 3·previous), cut at `maxDelay`: AWS' decorrelated jitter. It has no other jitter.
   * @throws DefinitionError that names each bad option
   */
  decorrelated: (options: DecorrelatedOptions): DelayPolicy => buildDelay('decorrelated', options),

  /**
   * No retry after a failure. A node that is lost with its worker is still started again, up to `maxCrashes` times;
   * `none({ maxCrashes: 0 })` never starts a node twice.
   * @throws DefinitionError that names each bad option
   */
  none: (options: NoneOptions = {}): NonePolicy => buildNone(options),

  /**
   * The first rule that matches the error says which policy is used; if none does, there is no retry
   * (`not_in_retry_on`). All retries of the node count for the policy that is used, whichever gave them.
   * @throws DefinitionError that names each bad rule
   *
   * @example
   * policy.rules([
   *   { on: [429], use: policy.constant({ delay: '1m', maxRetries: 10 }) },
   *   { on: ['4xx'], use: policy.none() },
   *   { use: policy.exponential({ maxRetries: 5 }) },
   * ])
   */
  rules: (rules: readonly PolicyRule[]): RulesPolicy => buildRules(rules),

  /**
   * Each policy takes over when the one before has given all its retries; it then counts its own from 1.
   * @throws DefinitionError for a policy without a limit that is not the last
   *
   * @example
   * policy.chain(policy.constant({ delay: '1s', maxRetries: 3 }), policy.constant({ delay: '10m', maxRetries: 12 }))
   */
  chain: (...policies: readonly Policy[]): ChainPolicy => buildChain(policies),

  /**
   * A plug-in by its name, for places that don't hold its code. `retry: { name, options }` is the same.
   * @param options as the plug-in's schema wants them, JSON
   * @throws DefinitionError for a bad name
   */
  named: (name: string, options: Json = {}): NamedPolicy => buildNamed(name, options),
} as const
