import fc from 'fast-check'
import { JITTER_NAMES } from '../../src/strategies/jitter.ts'
import { type Policy, policy } from '../../src/strategies/policy.ts'

const delay = fc.oneof(
  fc.nat(10_000),
  fc.nat(31_536_000_000),
  fc.double({ min: 0, max: 5, noNaN: true }),
)

const limits = {
  maxRetries: fc.option(fc.oneof(fc.nat(20_000), fc.constant(Number.POSITIVE_INFINITY)), {
    nil: undefined,
  }),
  maxDelay: fc.option(delay, { nil: undefined }),
  jitter: fc.option(fc.constantFrom(...JITTER_NAMES), { nil: undefined }),
  maxCrashes: fc.option(fc.nat(10), { nil: undefined }),
  retryOn: fc.option(
    fc.array(fc.constantFrom('HttpError', 'ECONNRESET', 503, '5xx'), { minLength: 1 }),
    { nil: undefined },
  ),
}

/** Any policy with a delay that is all data. */
export const arbitraryRetryingPolicy: fc.Arbitrary<Policy> = fc.oneof(
  fc.record({ delay, ...limits }).map(policy.constant),
  fc.record({ delay, start: fc.constantFrom('one', 'zero'), ...limits }).map(policy.linear),
  fc
    .record({ delay, factor: fc.double({ min: 1, max: 1e6, noNaN: true }), ...limits })
    .map(policy.exponential),
  fc
    .tuple(fc.array(delay, { minLength: 1, maxLength: 20 }), fc.record(limits))
    .map(([delays, options]) => policy.schedule(delays, options)),
)

/** Any policy that is all data. */
export const arbitraryPolicy: fc.Arbitrary<Policy> = fc.oneof(
  arbitraryRetryingPolicy,
  fc.nat(10).map((maxCrashes) => policy.none({ maxCrashes })),
)
