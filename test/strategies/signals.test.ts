import { describe, expect, test } from 'vitest'
import { DefinitionError } from '../../src/core/errors.ts'
import { storeError } from '../../src/core/failure.ts'
import {
  isNonRetryable,
  NonRetryable,
  RetryRequested,
  readRetryRequest,
} from '../../src/strategies/signals.ts'

const unreadable = new Proxy(new Error('hostile'), {
  get: () => {
    throw new Error('get')
  },
})

describe('RetryRequested', () => {
  test('asks for one retry at once', () => {
    const signal = new RetryRequested()
    expect(signal).toBeInstanceOf(Error)
    expect(readRetryRequest(signal)).toEqual({ maxRetries: 1, delayMs: null, atMs: null })
    expect([signal.name, signal.message]).toEqual([
      'RetryRequested',
      'the handler asked for a retry',
    ])
  })

  test('keeps what it is given', () => {
    const at = new Date(5_000)
    expect(readRetryRequest(new RetryRequested({ at, maxRetries: 4 }))).toEqual({
      maxRetries: 4,
      delayMs: null,
      atMs: 5_000,
    })
    expect(new RetryRequested({ delay: '2s' }).delayMs).toBe(2000)
    expect(new RetryRequested({ delay: 0, maxRetries: 0 })).toMatchObject({
      delayMs: 0,
      maxRetries: 0,
    })
    expect(new RetryRequested({ maxRetries: Number.POSITIVE_INFINITY }).maxRetries).toBeNull()
  })

  test('has its own message, or that of its cause', () => {
    const cause = Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
    expect(new RetryRequested({ cause }).message).toBe('socket hang up')
    expect(new RetryRequested({ cause, message: 'later' }).message).toBe('later')
    expect(storeError(new RetryRequested({ cause })).code).toBe('ECONNRESET')
    expect('cause' in new RetryRequested()).toBe(false)
  })

  test.each<[string, object, string]>([
    ['a delay and a time', { delay: 1, at: new Date() }, 'expected delay or at, got both'],
    ['a delay that is NaN', { delay: Number.NaN }, 'got NaN\n  → at delay'],
    ['a negative delay', { delay: -1 }, 'got -1\n  → at delay'],
    [
      'an invalid date',
      { at: new Date(Number.NaN) },
      'expected a valid Date, got an object (Date)\n  → at at',
    ],
    ['a time as a number', { at: 5 }, 'expected a valid Date, got 5\n  → at at'],
    ['a bad limit', { maxRetries: -1 }, 'got -1\n  → at maxRetries'],
    ['an unknown option', { retries: 5 }, 'Unrecognized key: "retries"'],
  ])('refuses %s', (_name, options, message) => {
    expect(() => new RetryRequested(options)).toThrow(DefinitionError)
    expect(() => new RetryRequested(options)).toThrow(message)
  })

  test('does not lose the cause when its options are bad', () => {
    const cause = new Error('the real trouble')
    expect(() => new RetryRequested({ delay: Number.NaN, cause })).toThrow(
      expect.objectContaining({ cause }),
    )
  })
})

describe('readRetryRequest', () => {
  test.each<[string, unknown]>([
    ['a frozen one', Object.freeze(new RetryRequested())],
    ['one of a subclass', new (class Later extends RetryRequested {})()],
    [
      'one of another copy of the package',
      Object.assign(new Error('later'), {
        [Symbol.for('reprise.retry_requested')]: true,
        maxRetries: 1,
        delayMs: null,
        atMs: null,
      }),
    ],
  ])('reads %s', (_name, thrown) => {
    expect(readRetryRequest(thrown)).toEqual({ maxRetries: 1, delayMs: null, atMs: null })
  })

  test.each<[string, unknown]>([
    ['an ordinary error', new Error('no')],
    ['an error of that name', Object.assign(new Error('no'), { name: 'RetryRequested' })],
    ['null', null],
    ['undefined', undefined],
    ['a text', 'RetryRequested'],
    ['a value that throws when it is read', unreadable],
  ])('is null for %s', (_name, thrown) => expect(readRetryRequest(thrown)).toBeNull())
})

describe('isNonRetryable', () => {
  test.each<[string, unknown, boolean]>([
    ['one', new NonRetryable('no'), true],
    ['a frozen one', Object.freeze(new NonRetryable('no')), true],
    ['one of a subclass', new (class Declined extends NonRetryable {})('no'), true],
    ['one of another copy', { [Symbol.for('reprise.non_retryable')]: true }, true],
    ['an ordinary error', new Error('no'), false],
    ['a RetryRequested', new RetryRequested(), false],
    ['null', null, false],
    ['a text', 'no', false],
    ['a value that throws when it is read', unreadable, false],
  ])('of %s', (_name, thrown, expected) => expect(isNonRetryable(thrown)).toBe(expected))
})

describe('NonRetryable', () => {
  test('has its message and cause, and is still known when it is stored', () => {
    const cause = new Error('declined')
    const signal = new NonRetryable('no', { cause })
    expect(signal).toMatchObject({ message: 'no', cause, name: 'NonRetryable' })
    expect(storeError(signal)).toMatchObject({ name: 'NonRetryable', retryable: false })
  })
})
