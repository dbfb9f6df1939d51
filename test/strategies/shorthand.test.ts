import { describe, expect, test } from 'vitest'
import { DefinitionError } from '../../src/core/errors.ts'
import { policy } from '../../src/strategies/policy.ts'
import { type RetryOption, toPolicy } from '../../src/strategies/shorthand.ts'

const own = policy.constant({ delay: 1, when: () => true })
const maxRetries = Number.POSITIVE_INFINITY

describe('toPolicy', () => {
  test.each<[string, RetryOption, unknown]>([
    ['a number', 5, policy.exponential({ maxRetries: 5 })],
    ['0', 0, policy.exponential({ maxRetries: 0 })],
    ['Infinity', maxRetries, policy.exponential({ maxRetries })],
    ['true', true, policy.exponential({ maxRetries })],
    ['false', false, policy.none()],
    ['a name', 'http-aware', policy.named('http-aware')],
    ['a name with options', { name: 'a', options: { max: 5 } }, policy.named('a', { max: 5 })],
    ['JSON', { kind: 'constant', delay: '1s' }, policy.constant({ delay: '1s' })],
  ])('reads %s', (_name, retry, expected) => expect(toPolicy(retry)).toEqual(expected))

  test('leaves a policy as it is', () => expect(toPolicy(own)).toBe(own))

  test('5 waits 1 s, 2 s, 4 s, … up to 1 h, with full jitter', () => {
    expect(toPolicy(5)).toMatchObject({ type: 'delay' })
    expect(toPolicy(5)).toHaveProperty('spec', {
      kind: 'exponential',
      delay: 1000,
      factor: 2,
      form: 'factor',
      maxRetries: 5,
      maxDelay: 3_600_000,
      maxCrashes: 3,
      jitter: 'full',
    })
  })

  test.each<[string, unknown, string]>([
    ['a negative number', -1, 'expected a number of retries (a whole number from 0), got -1'],
    ['a fraction', 1.5, 'got 1.5'],
    ['NaN', Number.NaN, 'got NaN'],
    ['a number as a text', '5', `expected a policy's name: 1 to 100 letters`],
    ['null', null, 'expected a policy as an object, got null'],
    ['a function', () => 5, 'expected a policy as an object, got a function'],
  ])('refuses %s', (_name, retry, message) => {
    // @ts-expect-error what JavaScript users may pass
    const attempt = () => toPolicy(retry, 'task ping: retry')
    expect(attempt).toThrow(DefinitionError)
    expect(attempt).toThrow(`task ping: retry: `)
    expect(attempt).toThrow(message)
  })
})
