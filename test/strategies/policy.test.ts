import { describe, expect, test } from 'vitest'
import { DefinitionError } from '../../src/core/errors.ts'
import { buildPolicy } from '../../src/strategies/build-policy.ts'
import { policy } from '../../src/strategies/policy.ts'
import type { PolicyKind } from '../../src/strategies/policy-schema.ts'
import { isPolicy } from '../../src/strategies/policy-types.ts'
import { HttpError } from './failed-attempt.ts'

const HOUR = 3_600_000

describe('policy', () => {
  test('constant has its defaults', () => {
    expect(policy.constant({ delay: '2s' }).spec).toEqual({
      kind: 'constant',
      delay: 2000,
      maxRetries: 3,
      maxDelay: HOUR,
      maxCrashes: 3,
      jitter: 'none',
    })
  })

  test('linear has its defaults', () => {
    expect(policy.linear({ delay: 500 }).spec).toEqual({
      kind: 'linear',
      delay: 500,
      start: 'one',
      maxRetries: 3,
      maxDelay: HOUR,
      maxCrashes: 3,
      jitter: 'none',
    })
  })

  test('exponential has its defaults', () => {
    expect(policy.exponential().spec).toEqual({
      kind: 'exponential',
      delay: 1000,
      factor: 2,
      form: 'factor',
      maxRetries: 3,
      maxDelay: HOUR,
      maxCrashes: 3,
      jitter: 'full',
    })
  })

  test('schedule retries as often as it has delays', () => {
    expect(policy.schedule(['1s', '1m']).spec).toEqual({
      kind: 'schedule',
      delays: [1000, 60_000],
      maxRetries: 2,
      maxDelay: HOUR,
      maxCrashes: 3,
      jitter: 'none',
    })
  })

  test('none has its defaults', () => {
    expect(policy.none().spec).toEqual({ kind: 'none', maxCrashes: 3 })
  })

  test('keeps every option', () => {
    const when = () => true
    const made = policy.linear({
      delay: '1s',
      start: 'zero',
      maxRetries: 7,
      maxDelay: '5m',
      maxElapsed: '1h',
      maxCrashes: 1,
      jitter: 'equal',
      kinds: ['error', 'timeout'],
      retryOn: [HttpError, 'ECONNRESET'],
      abortOn: [404],
      when,
    })
    expect(made).toMatchObject({
      spec: {
        kind: 'linear',
        delay: 1000,
        start: 'zero',
        maxRetries: 7,
        maxDelay: 300_000,
        maxElapsed: HOUR,
        maxCrashes: 1,
        jitter: 'equal',
        kinds: ['error', 'timeout'],
      },
      retryOn: [HttpError, 'ECONNRESET'],
      abortOn: [404],
      when,
    })
  })

  test('0 beats every default', () => {
    const zero = { delay: 0, maxRetries: 0, maxDelay: 0, maxElapsed: 0, maxCrashes: 0 }
    expect(policy.exponential(zero).spec).toMatchObject(zero)
    expect(policy.schedule([0], { maxRetries: 0 }).spec).toMatchObject({ maxRetries: 0 })
    expect(policy.none({ maxCrashes: 0 }).spec).toMatchObject({ maxCrashes: 0 })
  })

  test('Infinity is no limit', () => {
    const maxRetries = Number.POSITIVE_INFINITY
    expect(policy.constant({ delay: 1, maxRetries }).spec).toMatchObject({ maxRetries: null })
    expect(policy.schedule([1], { maxRetries }).spec).toMatchObject({ maxRetries: null })
  })

  test.each([
    ['constant', policy.constant({ delay: '2h' })],
    ['linear', policy.linear({ delay: '2h' })],
    ['exponential', policy.exponential({ delay: '2h' })],
    ['schedule', policy.schedule(['1s', '2h', '1m'])],
    ['plusMinus', policy.linear({ delay: '1h', jitter: 'plusMinus' })],
    [
      'sum',
      policy.sum([
        { kind: 'constant', delay: '1h' },
        { kind: 'linear', delay: '1h' },
      ]),
    ],
    ['proportional', policy.constant({ delay: 4_800_000, jitter: { proportional: 0.5 } })],
  ])('the default cap of %s does not cut a delay that is written down', (_name, made) => {
    expect(made.spec).toMatchObject({ maxDelay: 2 * HOUR })
  })

  test('a cap that is given cuts', () => {
    expect(policy.schedule(['2h'], { maxDelay: '1m' }).spec).toMatchObject({ maxDelay: 60_000 })
  })

  test('is frozen, and apart from the options that it was made of', () => {
    const retryOn = ['A']
    const delays = [1]
    const made = policy.schedule(delays, { retryOn })
    retryOn.push('B')
    delays.push(2)
    expect(made.retryOn).toEqual(['A'])
    expect(made.spec).toMatchObject({ delays: [1] })
    expect(() => Object.assign(made, { when: null })).toThrow(TypeError)
    expect(() => Object.assign(made.spec, { maxRetries: 9 })).toThrow(TypeError)
    expect(() => Object.assign(made.retryOn ?? [], { 0: 'B' })).toThrow(TypeError)
  })

  const duration = "expected a duration (milliseconds, or a string such as '5s', '2m', '1h')"

  test.each<[string, object, string]>([
    ['an unknown option', { retries: 5 }, 'Unrecognized key: "retries"'],
    ['a delay in words', { delay: 'soon' }, `${duration}, got "soon"\n  → at delay`],
    ['a negative delay', { delay: -1 }, `${duration}, got -1\n  → at delay`],
    ['an infinite delay', { delay: Number.POSITIVE_INFINITY }, `${duration}, got Infinity`],
    ['a delay that is an object', { delay: {} }, `${duration}, got an object`],
    [
      'a factor below 1',
      { factor: 0.5 },
      'expected a finite number from 1, got 0.5\n  → at factor',
    ],
    [
      'a factor in words',
      { factor: '2' },
      'expected a finite number from 1, got "2"\n  → at factor',
    ],
    [
      'a negative limit',
      { maxRetries: -1 },
      'expected a whole number from 0, or Infinity (in JSON: null) for no limit, got -1\n  → at maxRetries',
    ],
    ['a fraction of a retry', { maxRetries: 1.5 }, 'got 1.5\n  → at maxRetries'],
    ['a limit that is NaN', { maxRetries: Number.NaN }, 'got NaN\n  → at maxRetries'],
    ['a limit in words', { maxRetries: '5' }, 'got "5"\n  → at maxRetries'],
    ['a cap in words', { maxDelay: 'never' }, `${duration}, got "never"\n  → at maxDelay`],
    [
      'a cap of 20 years',
      { maxDelay: '20y' },
      'expected at most 10 years, got 631152000000 ms\n  → at maxDelay',
    ],
    ['a bad maxElapsed', { maxElapsed: true }, `${duration}, got true\n  → at maxElapsed`],
    [
      'a bad maxCrashes',
      { maxCrashes: null },
      'expected a whole number from 0, got null\n  → at maxCrashes',
    ],
    [
      'an unknown jitter',
      { jitter: 'some' },
      `expected one of 'none', 'full', 'equal', 'plusMinus', { proportional: 0 to 1 }, { clampedPoisson: from 0 }, got "some"\n  → at jitter`,
    ],
    ['an empty list of kinds', { kinds: [] }, 'expected at least one kind, got an empty list'],
    ['an unknown kind', { kinds: ['oops'] }, `got "oops"\n  → at kinds[0]`],
    [
      'an empty retryOn',
      { retryOn: [] },
      'expected at least one entry, got an empty list; leave the option out instead\n  → at retryOn',
    ],
    ['an empty abortOn', { abortOn: [] }, '→ at abortOn'],
    ['a bad matcher', { abortOn: ['A', 5] }, 'got 5\n  → at abortOn[1]'],
    [
      'a predicate that is no function',
      { when: true },
      'expected a function, got true\n  → at when',
    ],
  ])('exponential refuses %s', (_name, options, message) => {
    expect(() => policy.exponential(options)).toThrow(DefinitionError)
    expect(() => policy.exponential(options)).toThrow(message)
    expect(() => policy.exponential(options)).toThrow(/^policy\.exponential: /)
  })

  test('says everything that is wrong at once', () => {
    const attempt = () => policy.exponential({ factor: 0, maxRetries: -1 })
    expect(attempt).toThrow('→ at factor')
    expect(attempt).toThrow('→ at maxRetries')
  })

  test.each<[string, PolicyKind, object, string]>([
    ['a constant without a delay', 'constant', {}, `${duration}, got undefined\n  → at delay`],
    [
      'a linear without a delay',
      'linear',
      { start: 'one' },
      `${duration}, got undefined\n  → at delay`,
    ],
    [
      'a linear with an unknown start',
      'linear',
      { delay: 1, start: 'two' },
      `expected one of 'one', 'zero', got "two"\n  → at start`,
    ],
    [
      'an empty schedule',
      'schedule',
      { delays: [] },
      'expected at least one delay, got an empty list\n  → at delays',
    ],
    [
      'a schedule that is no list',
      'schedule',
      { delays: '1s' },
      'expected a list of durations, got "1s"\n  → at delays',
    ],
    ['a schedule with a bad delay', 'schedule', { delays: [1, -1] }, 'got -1\n  → at delays[1]'],
    [
      'a schedule of 1001 delays',
      'schedule',
      { delays: new Array<number>(1001).fill(1) },
      'expected at most 1000 delays',
    ],
    [
      'a share above 1',
      'constant',
      { delay: 1, jitter: { proportional: 2 } },
      '{ proportional: 0 to 1 }, { clampedPoisson: from 0 }, got { proportional: 2 }\n  → at jitter',
    ],
    [
      'a negative factor of a jitter',
      'constant',
      { delay: 1, jitter: { clampedPoisson: -1 } },
      'got { clampedPoisson: -1 }\n  → at jitter',
    ],
    ['an unknown form', 'exponential', { form: 'cubic' }, 'got "cubic"\n  → at form'],
    [
      'a negative exponent',
      'polynomial',
      { delay: 1, exponent: -1 },
      'expected a finite number from 0, got -1\n  → at exponent',
    ],
    ['a fibonacci without a delay', 'fibonacci', {}, `${duration}, got undefined`],
    ['a sum of nothing', 'sum', { parts: [] }, 'expected at least one part, got an empty list'],
    [
      'a part that is no backoff',
      'sum',
      { parts: [{ kind: 'decorrelated', delay: 1 }] },
      "expected a backoff such as { kind: 'linear', delay: '5s' }",
    ],
    [
      'a part with a limit',
      'sum',
      { parts: [{ kind: 'constant', delay: 1, maxRetries: 3 }] },
      'Unrecognized key: "maxRetries"\n  → at parts[0]',
    ],
    [
      'a decorrelated with a jitter',
      'decorrelated',
      { delay: 1, jitter: 'full' },
      `expected one of 'none', got "full"\n  → at jitter`,
    ],
    [
      'a bad maxInterruptions',
      'none',
      { maxInterruptions: -1 },
      'expected a whole number from 0, or Infinity (in JSON: null) for no limit, got -1',
    ],
    ['none with a limit', 'none', { maxRetries: 1 }, 'Unrecognized key: "maxRetries"'],
  ])('refuses %s', (_name, kind, options, message) => {
    expect(() => buildPolicy(kind, options)).toThrow(DefinitionError)
    expect(() => buildPolicy(kind, options)).toThrow(`policy.${kind}: ✖ `)
    expect(() => buildPolicy(kind, options)).toThrow(message)
  })
})

describe('isPolicy', () => {
  test.each<[string, unknown, boolean]>([
    ['a policy', policy.none(), true],
    ['a policy of another copy', { [Symbol.for('reprise.policy')]: true }, true],
    ['plain JSON', { kind: 'none', maxCrashes: 3 }, false],
    ['null', null, false],
    ['a number', 5, false],
  ])('of %s', (_name, value, expected) => expect(isPolicy(value)).toBe(expected))
})
