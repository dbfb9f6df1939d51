import fc from 'fast-check'
import { JITTER_NAMES, type JitterOption } from '../../src/strategies/jitter.ts'
import { policy } from '../../src/strategies/policy.ts'
import type { DelayPolicy, Policy } from '../../src/strategies/policy-types.ts'

const delay = fc.oneof(
  fc.nat(10_000),
  fc.nat(31_536_000_000),
  fc.double({ min: 0, max: 5, noNaN: true }),
)

const jitter: fc.Arbitrary<JitterOption> = fc.oneof(
  fc.constantFrom(...JITTER_NAMES),
  fc.record({ proportional: fc.double({ min: 0, max: 1, noNaN: true }) }),
  fc.record({ clampedPoisson: fc.double({ min: 0, max: 100, noNaN: true }) }),
)

const limits = {
  maxRetries: fc.option(fc.oneof(fc.nat(20_000), fc.constant(Number.POSITIVE_INFINITY)), {
    nil: undefined,
  }),
  maxDelay: fc.option(delay, { nil: undefined }),
  jitter: fc.option(jitter, { nil: undefined }),
  maxCrashes: fc.option(fc.nat(10), { nil: undefined }),
  retryOn: fc.option(
    fc.array(fc.constantFrom('HttpError', 'ECONNRESET', 503, '5xx'), { minLength: 1 }),
    { nil: undefined },
  ),
}

const { jitter: _jitter, ...withoutJitter } = limits

const part = fc.oneof(
  fc.record({ kind: fc.constant('constant'), delay }),
  fc.record({ kind: fc.constant('linear'), delay, start: fc.constantFrom('one', 'zero') }),
  fc.record({ kind: fc.constant('exponential'), delay }),
  fc.record({ kind: fc.constant('fibonacci'), delay }),
)

/** Any policy with a delay that is all data. */
export const arbitraryRetryingPolicy: fc.Arbitrary<DelayPolicy> = fc.oneof(
  fc.record({ delay, ...limits }).map(policy.constant),
  fc.record({ delay, start: fc.constantFrom('one', 'zero'), ...limits }).map(policy.linear),
  fc
    .record({
      delay,
      factor: fc.double({ min: 1, max: 1e6, noNaN: true }),
      form: fc.constantFrom('factor', 'power', 'dagster'),
      ...limits,
    })
    .map(policy.exponential),
  fc
    .record({ delay, exponent: fc.double({ min: 0, max: 100, noNaN: true }), ...limits })
    .map(policy.polynomial),
  fc.record({ delay, ...limits }).map(policy.fibonacci),
  fc.record({ delay, ...withoutJitter }).map(policy.decorrelated),
  fc
    .tuple(fc.array(part, { minLength: 1, maxLength: 5 }), fc.record(limits))
    .map(([parts, options]) => policy.sum(parts, options)),
  fc
    .tuple(fc.array(delay, { minLength: 1, maxLength: 20 }), fc.record(limits))
    .map(([delays, options]) => policy.schedule(delays, options)),
)

/** Any policy that is all data. */
export const arbitraryPolicy: fc.Arbitrary<Policy> = fc.oneof(
  arbitraryRetryingPolicy,
  fc.nat(10).map((maxCrashes) => policy.none({ maxCrashes })),
  fc
    .tuple(arbitraryRetryingPolicy, arbitraryRetryingPolicy)
    .map(([use, other]) => policy.rules([{ on: ['HttpError', '5xx'], use }, { use: other }])),
  fc
    .tuple(fc.nat(9), arbitraryRetryingPolicy)
    .map(([maxRetries, last]) =>
      policy.chain(policy.constant({ delay: 5, maxRetries }), policy.none(), last),
    ),
  fc.record({ max: fc.nat() }).map((options) => policy.named('http-aware', options)),
)
