import { describe, expect, test } from 'vitest'
import { policy } from '../../src/strategies/policy.ts'
import { isLastAttempt, maxCrashesOf, maxRetriesOf } from '../../src/strategies/policy-limits.ts'
import { toPolicy } from '../../src/strategies/shorthand.ts'

describe('maxRetriesOf', () => {
  test.each([
    ['no policy', null, 0],
    ['none', policy.none(), 0],
    ['a limit', toPolicy(5), 5],
    ['no limit', toPolicy(true), null],
  ])('of %s', (_name, chosen, expected) => expect(maxRetriesOf(chosen)).toBe(expected))
})

describe('maxCrashesOf', () => {
  test.each([
    ['no policy', null, 3],
    ['none', policy.none(), 3],
    ['none that forbids them', policy.none({ maxCrashes: 0 }), 0],
    ['a limit', policy.exponential({ maxCrashes: 7 }), 7],
    ['kinds with crash', policy.exponential({ kinds: ['crash'], maxCrashes: 7 }), 7],
    ['kinds without crash', policy.exponential({ kinds: ['error'], maxCrashes: 7 }), 0],
  ])('of %s', (_name, chosen, expected) => expect(maxCrashesOf(chosen)).toBe(expected))

  test('takes the fallback without a policy', () => expect(maxCrashesOf(null, 1)).toBe(1))
})

describe('isLastAttempt', () => {
  test.each([
    ['no policy', null, 0, true],
    ['none', policy.none(), 0, true],
    ['a limit that has room', toPolicy(2), 1, false],
    ['a limit that is reached', toPolicy(2), 2, true],
    ['a limit that is passed', toPolicy(2), 3, true],
    ['no limit', toPolicy(true), 10_000, false],
    ['a predicate that could still decide', policy.exponential({ when: () => false }), 0, false],
    ['a predicate beyond the limit', policy.exponential({ when: () => true }), 3, true],
  ])('with %s', (_name, chosen, retriesUsed, expected) => {
    expect(isLastAttempt(chosen, retriesUsed)).toBe(expected)
  })
})
