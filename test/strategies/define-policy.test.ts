import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { DefinitionError, SerializationError } from '../../src/core/errors.ts'
import { decideRetry } from '../../src/strategies/decide.ts'
import { definePolicy } from '../../src/strategies/define-policy.ts'
import { policy } from '../../src/strategies/policy.ts'
import type { PolicyFailure } from '../../src/strategies/policy-failure.ts'
import { policyFromJson, policyToJson } from '../../src/strategies/policy-json.ts'
import { PolicyRegistry, pluginNames } from '../../src/strategies/policy-registry.ts'
import type { Policy } from '../../src/strategies/policy-types.ts'
import { failedAttempt, NOW } from './failed-attempt.ts'

const bounded = definePolicy({
  name: 'bounded',
  version: '1.2.0',
  options: z.strictObject({ max: z.int().default(2) }),
  decide: ({ retryNumber }, { max }) => (retryNumber < max ? { retryIn: '1s' } : null),
})

/** A plug-in that gives whatever the test wants. */
function giving(answer: (failure: PolicyFailure) => unknown): Policy {
  // @ts-expect-error what JavaScript users may write
  return definePolicy({ name: 'giving', options: z.object({}), decide: answer })({})
}

describe('definePolicy', () => {
  test('makes policies of its options, with their defaults', () => {
    const made = bounded({})
    expect(decideRetry(failedAttempt(made))).toEqual({
      action: 'retry',
      rule: 'policy',
      part: 'bounded',
      baseMs: 1000,
      random: null,
      delayMs: 1000,
      retryNumber: 1,
      maxRetries: null,
    })
    expect(decideRetry(failedAttempt(made, {}, { retryNumber: 2 }))).toEqual({
      action: 'stop',
      reason: 'predicate_false',
      detail: 'bounded gave null',
    })
  })

  test('refuses options that its schema refuses', () => {
    // @ts-expect-error what JavaScript users may pass
    const attempt = () => bounded({ max: 'many' })
    expect(attempt).toThrow(DefinitionError)
    expect(attempt).toThrow('policy bounded: ✖ Invalid input: expected number, received string')
  })

  test('refuses options that JSON can’t carry', () => {
    const any = definePolicy({ name: 'any', options: z.any(), decide: () => null })
    expect(() => any({ at: new Map() })).toThrow(SerializationError)
  })

  test.each<[string, object, string]>([
    ['no name', { name: undefined }, "expected a policy's name"],
    ['a number as a name', { name: '5' }, "expected a policy's name"],
    ['a name with a colon', { name: 'a:b' }, "expected a policy's name"],
    ['the name of a kind', { name: 'linear' }, `got "linear", which is a kind of policy`],
    ['no schema', { options: {} }, 'expected a zod schema, got an object'],
    ['no function', { decide: 5 }, 'expected a function, got 5'],
    ['an unknown option', { retry: 5 }, 'Unrecognized key: "retry"'],
  ])('refuses %s', (_name, changes, message) => {
    const definition = { name: 'a', options: z.any(), decide: () => null, ...changes }
    expect(() => definePolicy(definition)).toThrow(DefinitionError)
    expect(() => definePolicy(definition)).toThrow(message)
  })
})

describe('what a plug-in decides', () => {
  test.each<[string, unknown, object]>([
    ['no time', {}, { delayMs: 0 }],
    ['a delay', { retryIn: '2s' }, { delayMs: 2_000 }],
    ['a fraction of a ms', { retryIn: 0.5 }, { delayMs: 1 }],
    ['a time', { retryAt: new Date(NOW + 1_500) }, { delayMs: 1_500 }],
    ['a time that has passed', { retryAt: new Date(NOW - 1) }, { delayMs: 0 }],
    ['a reason', { reason: 'why not' }, { detail: 'why not' }],
    ['a priority', { priority: 7 }, { place: { queue: 'default', priority: 7 } }],
    [
      'a change of priority',
      { priority: { delta: 3 } },
      { place: { queue: 'default', priority: 5 } },
    ],
    ['a change below 0', { priority: { delta: -9 } }, { place: { queue: 'default', priority: 0 } }],
    ['another queue', { queue: 'slow' }, { place: { queue: 'slow', priority: 2 } }],
    ['a lock', { lock: 'account 7' }, { lock: 'account 7' }],
    ['no lock any more', { lock: null }, { lock: null }],
  ])('may be %s', (_name, answer, expected) => {
    const input = failedAttempt(
      giving(() => answer),
      {},
      { priority: 2 },
    )
    expect(decideRetry(input)).toMatchObject({ action: 'retry', ...expected })
  })

  test.each([[{}], [{ queue: 'default' }], [{ priority: 2 }], [{ priority: { delta: 0 } }]])(
    'moves nothing with %j',
    (answer) => {
      const input = failedAttempt(
        giving(() => answer),
        {},
        { priority: 2 },
      )
      expect(decideRetry(input)).not.toHaveProperty('place')
      expect(decideRetry(input)).not.toHaveProperty('lock')
    },
  )

  test.each<[string, unknown, string]>([
    ['both times', { retryIn: 1, retryAt: new Date() }, 'expected retryIn or retryAt, got both'],
    ['a delay that is NaN', { retryIn: Number.NaN }, 'got NaN'],
    ['a negative delay', { retryIn: -0.5 }, 'got -0.5'],
    ['an endless delay', { retryIn: Number.POSITIVE_INFINITY }, 'got Infinity'],
    ['a delay of 31,700 years', { retryIn: 1e15 }, 'expected at most 10 years'],
    ['a time in 31,700 years', { retryAt: new Date(8e15) }, 'expected a time within 10 years'],
    ['an invalid time', { retryAt: new Date('no') }, 'expected a valid Date'],
    ['an empty lock', { lock: '' }, "expected a lock's key: 1 to 256 characters, or null, got"],
    ['a lock that is no text', { lock: 7 }, "expected a lock's key: 1 to 256 characters, or null"],
    ['a long lock', { lock: 'x'.repeat(257) }, "expected a lock's key: 1 to 256 characters"],
    ['a bad queue', { queue: 'a:b' }, "expected a queue's name"],
    ['a bad priority', { priority: -1 }, 'expected a whole number from 0 to 2097152'],
    ['a bad delta', { priority: { delta: 0.5 } }, '{ delta: a whole number }'],
    ['an unknown field', { delay: 5 }, 'Unrecognized key: "delay"'],
    ['nothing', undefined, "expected a decision such as { retryIn: '5s' }, or null"],
    ['a number', 0, 'got 0'],
    ['a text', '5', 'got "5"'],
    ['a list', [], 'got an array'],
    ['true', true, 'got true'],
  ])('must not be %s', (_name, answer, message) => {
    expect(decideRetry(failedAttempt(giving(() => answer)))).toMatchObject({
      reason: 'policy_error',
      detail: expect.stringContaining(message),
    })
  })

  test.each<[string, (failure: PolicyFailure) => unknown, string]>([
    ['throws', () => JSON.parse('{'), 'giving threw SyntaxError'],
    ['rejects', async () => JSON.parse('{'), 'giving rejected with SyntaxError'],
    ['never settles', () => new Promise(() => {}), "giving didn't settle within 5 ms"],
    [
      'writes to the failure',
      (failure) => Object.assign(failure, { attempt: 9 }),
      'giving threw TypeError',
    ],
  ])('is a policy_error when it %s', async (_name, answer, message) => {
    const decision = await decideRetry(failedAttempt(giving(answer), { askTimeoutMs: 5 }))
    expect(decision).toMatchObject({
      reason: 'policy_error',
      detail: expect.stringContaining(message),
    })
  })

  test('is recorded with the random number that it saw', () => {
    const made = giving(({ random }) => ({ retryIn: random * 100 }))
    expect(decideRetry(failedAttempt(made, { random: () => 0.25 }))).toMatchObject({
      random: 0.25,
      delayMs: 25,
    })
  })

  test('needs the plug-in: a name alone decides nothing', () => {
    expect(decideRetry(failedAttempt(policy.named('far')))).toMatchObject({
      reason: 'policy_error',
      detail: 'the policy far is known here by its name only',
    })
  })
})

describe('PolicyRegistry', () => {
  const registry = new PolicyRegistry([bounded])
  const sent = (made: Policy) => policyFromJson(JSON.parse(JSON.stringify(policyToJson(made))))

  test.each<[string, Policy]>([
    ['alone', policy.named('bounded', { max: 1 })],
    ['in a rule', policy.rules([{ use: policy.named('bounded') }])],
    ['in a chain', policy.chain(policy.constant({ delay: 1 }), policy.named('bounded'))],
    ['that was sent', sent(bounded({ max: 1 }))],
  ])('finds a plug-in %s', async (_name, made) => {
    const found = registry.bind(made)
    if ('missing' in found) throw new Error('expected the plug-in')
    expect(await decideRetry(failedAttempt(found.policy))).toMatchObject({ action: 'retry' })
    expect(pluginNames(made)).toEqual(['bounded'])
  })

  test('says which name is missing', () => {
    const made = policy.rules([{ use: policy.chain(policy.none(), policy.named('other')) }])
    expect(registry.bind(made)).toEqual({ missing: 'other' })
    expect(() => registry.check(made, 'retry')).toThrow(DefinitionError)
    expect(() => registry.check(made, 'retry')).toThrow(
      'retry: no policy has the name other; registered are: bounded',
    )
    expect(() => new PolicyRegistry([]).check(made, 'retry')).toThrow('registered are: none')
  })

  test('needs no registration for a policy that brings its plug-in along', () => {
    const made = bounded({})
    expect(new PolicyRegistry([]).bind(made)).toEqual({ policy: made })
  })

  test('refuses options that the schema refuses', () => {
    const made = policy.named('bounded', { max: 'many' })
    expect(() => registry.check(made, 'retry')).toThrow(DefinitionError)
  })

  test('refuses two policies with one name, and what is none', () => {
    const attempt = () => new PolicyRegistry([bounded, bounded])
    expect(attempt).toThrow('policies: two policies have the name bounded; names must be unique')
    // @ts-expect-error what JavaScript users may pass
    expect(() => new PolicyRegistry([policy.none()])).toThrow(
      'policies: expected what definePolicy() returned',
    )
  })

  test('knows the versions', () => expect(registry.versions()).toEqual({ bounded: '1.2.0' }))
})
