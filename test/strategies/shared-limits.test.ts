import { describe, expect, test } from 'vitest'
import { DefinitionError } from '../../src/core/errors.ts'
import type { StoredError } from '../../src/core/failure.ts'
import { policy } from '../../src/strategies/policy.ts'
import { policyFromJson, policyToJson } from '../../src/strategies/policy-json.ts'
import { sharedLimitsOf } from '../../src/strategies/policy-limits.ts'
import type { Policy } from '../../src/strategies/policy-types.ts'
import type { BreakerOptions, BudgetOptions } from '../../src/strategies/shared-limits.ts'

const limitsOf = (chosen: Policy | null) => sharedLimitsOf(chosen, null, 0)
const budgetOf = (budget: BudgetOptions) => limitsOf(policy.exponential({ budget })).budget
const breakerOf = (breaker: BreakerOptions) => limitsOf(policy.exponential({ breaker })).breaker
const failureOf = (name: string): StoredError => ({ name, names: [name, 'Error'], message: '' })

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
    expect(limitsOf(null)).toEqual(nothing)
    expect(limitsOf(policy.none())).toEqual(nothing)
    expect(limitsOf(policy.exponential())).toEqual(nothing)
  })

  test('knows the breaker of a policy without retries', () => {
    const { breaker } = limitsOf(policy.none({ breaker: { key: 'stripe' } }))
    expect(breaker).toMatchObject({ key: 'stripe', failures: 5 })
  })

  test('of a plug-in gives null', () => {
    expect(limitsOf(policy.named('patient'))).toEqual({ budget: null, breaker: null })
  })

  const stripe = policy.constant({ delay: 1, maxRetries: 2, breaker: { key: 'stripe' } })
  const mail = policy.constant({ delay: 1, maxRetries: 3, breaker: { key: 'mail' } })

  test.each<[string, StoredError | null, string | undefined]>([
    ['the failure matches', failureOf('StripeError'), 'stripe'],
    ['no other matches', failureOf('OtherError'), 'mail'],
    ['matches all, before any failure', null, 'mail'],
  ])('of rules are those of the rule that %s', (_name, error, key) => {
    const rules = policy.rules([{ on: ['StripeError'], use: stripe }, { use: mail }])
    expect(sharedLimitsOf(rules, error, 0).breaker?.key).toBe(key)
  })

  test('of rules are none where no rule matches', () => {
    const rules = policy.rules([{ on: ['StripeError'], use: stripe }])
    expect(limitsOf(rules)).toEqual({ budget: null, breaker: null })
  })

  test.each([
    [0, 'stripe'],
    [1, 'stripe'],
    [2, 'mail'],
  ])('of a chain after %i retries are those of the policy that gives the next', (used, key) => {
    const chain = policy.chain(stripe, mail)
    expect(sharedLimitsOf(chain, failureOf('AnyError'), used).breaker?.key).toBe(key)
  })

  test.each([
    ['both', { budget: { key: 'a', ratio: 0.1 }, breaker: { key: 'a', openFor: '1m' } }],
    ['a sampled breaker', { breaker: { key: 'a', failureRatio: 0.5, window: '1m' } }],
  ] as const)('crosses the wire as data: %s', (_name, options) => {
    const plain = policy.exponential(options)
    for (const made of [plain, policy.rules([{ use: plain }])]) {
      const text = JSON.stringify(policyToJson(made))
      expect(policyFromJson(JSON.parse(text))).toEqual(made)
    }
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
