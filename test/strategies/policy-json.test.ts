import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DefinitionError } from '../../src/core/errors.ts'
import { type Json, toJsonText } from '../../src/core/json.ts'
import { policy } from '../../src/strategies/policy.ts'
import { policyFromJson, policyToJson } from '../../src/strategies/policy-json.ts'
import { toPolicy } from '../../src/strategies/shorthand.ts'
import { arbitraryPolicy } from './arbitrary-policy.ts'
import { HttpError } from './failed-attempt.ts'

describe('policyToJson', () => {
  test('writes every field', () => {
    const made = policy.exponential({ maxRetries: 5, maxElapsed: '1m', retryOn: ['5xx', 429] })
    expect(policyToJson(made)).toEqual({
      kind: 'exponential',
      delay: 1000,
      factor: 2,
      form: 'factor',
      maxRetries: 5,
      maxDelay: 3_600_000,
      maxElapsed: 60_000,
      maxCrashes: 3,
      jitter: 'full',
      retryOn: ['5xx', 429],
    })
  })

  test('gives what an envelope can hold and `retry` accepts', () => {
    const json = policyToJson(policy.linear({ delay: 5, kinds: ['error'] }))
    const envelope: Json = { retry: json }
    expect(toJsonText(envelope, 'options')).toBe(JSON.stringify({ retry: json }))
    expect(toPolicy(json)).toEqual(policy.linear({ delay: 5, kinds: ['error'] }))
  })

  test('gives back the same policy through text', () => {
    fc.assert(
      fc.property(arbitraryPolicy, (made) => {
        const text = JSON.stringify(policyToJson(made))
        expect(policyFromJson(JSON.parse(text))).toEqual(made)
      }),
    )
  })

  test.each([
    [
      'a predicate',
      policy.exponential({ when: () => true }),
      "when: a function can't be sent with a run",
    ],
    [
      'a class in retryOn',
      policy.exponential({ retryOn: ['A', HttpError] }),
      "retryOn: the class HttpError can't be sent with a run; write its name, 'HttpError'",
    ],
    [
      'a class in abortOn',
      policy.exponential({ abortOn: [HttpError] }),
      'abortOn: the class HttpError',
    ],
  ])('refuses %s', (_name, made, message) => {
    expect(() => policyToJson(made)).toThrow(DefinitionError)
    expect(() => policyToJson(made)).toThrow(message)
  })
})

describe('policyFromJson', () => {
  test.each([
    ['none', { kind: 'none' }, policy.none()],
    ['constant', { kind: 'constant', delay: '1s' }, policy.constant({ delay: '1s' })],
    [
      'linear',
      { kind: 'linear', delay: 5, start: 'zero' },
      policy.linear({ delay: 5, start: 'zero' }),
    ],
    ['exponential', { kind: 'exponential', maxRetries: 5 }, policy.exponential({ maxRetries: 5 })],
    ['schedule', { kind: 'schedule', delays: ['1s', '5s'] }, policy.schedule(['1s', '5s'])],
    [
      'no limit',
      { kind: 'constant', delay: 1, maxRetries: null },
      policy.constant({ delay: 1, maxRetries: Number.POSITIVE_INFINITY }),
    ],
  ])('reads %s as it is written by hand', (_name, data, expected) => {
    expect(policyFromJson(data)).toEqual(expected)
  })

  test.each<[string, unknown, string]>([
    ['null', null, 'retry: expected a policy as an object, got null'],
    ['a list', [], 'retry: expected a policy as an object, got an array'],
    ['a text', 'exponential', 'retry: expected a policy as an object, got "exponential"'],
    [
      'no kind',
      { delay: 1 },
      "expected kind to be one of none, constant, linear, exponential, polynomial, fibonacci, schedule, sum, decorrelated, rules, chain, or a plug-in's name as { name }, got undefined",
    ],
    ['an unknown kind', { kind: 'fast' }, 'got "fast"'],
    ['a kind that every object has', { kind: 'constructor' }, 'got "constructor"'],
    ['a bad option', { kind: 'constant', delay: -1 }, 'retry (constant): ✖ expected a duration'],
    ['an unknown option', { kind: 'none', max: 1 }, 'Unrecognized key: "max"'],
    ['a predicate', { kind: 'exponential', when: () => true }, "when: a function can't be sent"],
    ['a class', { kind: 'exponential', retryOn: [HttpError] }, "the class HttpError can't be sent"],
  ])('refuses %s', (_name, data, message) => {
    expect(() => policyFromJson(data)).toThrow(DefinitionError)
    expect(() => policyFromJson(data)).toThrow(message)
  })

  test('says where it was reading', () => {
    expect(() => policyFromJson(7, 'options.retry')).toThrow('options.retry: expected')
  })
})
