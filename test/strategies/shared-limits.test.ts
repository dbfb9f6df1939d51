import { describe, expect, test } from 'vitest'
import { DefinitionError } from '../../src/core/errors.ts'
import { policy } from '../../src/strategies/policy.ts'
import { policyFromJson, policyToJson } from '../../src/strategies/policy-json.ts'
import { sharedLimitsOf } from '../../src/strategies/policy-limits.ts'
import type { BreakerOptions, BudgetOptions } from '../../src/strategies/shared-limits.ts'

const budgetOf = (budget: BudgetOptions) => sharedLimitsOf(policy.exponential({ budget })).budget
const breakerOf = (breaker: BreakerOptions) =>
  sharedLimitsOf(policy.exponential({ breaker })).breaker

describe('sharedLimitsOf', () => {
  test('fills in the defaults of a budget', () => {
    expect(budgetOf({ key: 'stripe' })).toEqual({
      key: 'stripe',
      ratio: 0.2,
      minPerSecond: 10,
      burst: 100,
    })
    expect(budgetOf({ key: 'stripe', minPerSecond: 0.01 })?.burst).toBe(1)
  })

  test('fills in the defaults of a breaker, consecutive and sampled', () => {
    const basics = { key: 'stripe', openFor: 30_000, probes: 1, releasePerSecond: 50 }
    expect(breakerOf({ key: 'stripe' })).toEqual({ ...basics, failures: 5 })
    expect(breakerOf({ key: 'stripe', failureRatio: 0.5 })).toEqual({
      ...basics,
      failureRatio: 0.5,
      window: 10_000,
      minAttempts: 20,
    })
  })

  test('gives null where a policy has none, and without a policy', () => {
    const nothing = { budget: null, breaker: null }
    expect(sharedLimitsOf(null)).toEqual(nothing)
    expect(sharedLimitsOf(policy.none())).toEqual(nothing)
    expect(sharedLimitsOf(policy.exponential())).toEqual(nothing)
  })

  test('knows the breaker of a policy without retries', () => {
    const { breaker } = sharedLimitsOf(policy.none({ breaker: { key: 'stripe' } }))
    expect(breaker).toMatchObject({ key: 'stripe', failures: 5 })
  })

  test.each([
    ['both', { budget: { key: 'a', ratio: 0.1 }, breaker: { key: 'a', openFor: '1m' } }],
    ['a sampled breaker', { breaker: { key: 'a', failureRatio: 0.5, window: '1m' } }],
  ] as const)('crosses the wire as data: %s', (_name, options) => {
    const made = policy.exponential(options)
    const text = JSON.stringify(policyToJson(made))
    expect(policyFromJson(JSON.parse(text))).toEqual(made)
  })

  test.each<[string, object, RegExp]>([
    [
      'no key',
      { budget: {} },
      /expected a key of 1 to 200 characters, got undefined[\s\S]*budget\.key/,
    ],
    ['an empty key', { breaker: { key: '' } }, /expected a key of 1 to 200[\s\S]*breaker\.key/],
    ['no floor', { budget: { key: 'a', minPerSecond: 0 } }, /from 0\.001.*got 0/],
    ['a ratio below 0', { budget: { key: 'a', ratio: -1 } }, /from 0 to 10, got -1/],
    ['a bucket without a token', { budget: { key: 'a', burst: 0.5 } }, /from 1, got 0\.5/],
    ['an unknown option', { breaker: { key: 'a', onFire: 1 } }, /onFire/],
    ['two ways to open', { breaker: { key: 'a', failures: 1, failureRatio: 1 } }, /failures/],
    ['a window without a ratio', { breaker: { key: 'a', window: 1_000 } }, /window/],
    ['no probes', { breaker: { key: 'a', probes: 0 } }, /whole number from 1, got 0[\s\S]*probes/],
    ['a ratio of 0', { breaker: { key: 'a', failureRatio: 0 } }, /above 0, at most 1, got 0/],
    ['a long opening', { breaker: { key: 'a', openFor: '2d' } }, /1 ms to 1 day, got 172800000 ms/],
    ['no object', { breaker: 'a' }, /expected object[\s\S]*breaker/],
  ])('refuses %s', (_name, options, message) => {
    const make = () => policyFromJson({ kind: 'exponential', ...options })
    expect(make).toThrow(DefinitionError)
    expect(make).toThrow(message)
  })
})
