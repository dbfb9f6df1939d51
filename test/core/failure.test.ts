import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isFailure, storeError } from '../../src/core/failure.ts'

class HttpError extends Error {
  override readonly name: string = 'HttpError'
}
class RateLimited extends HttpError {}

function throws(): never {
  throw new Error('hostile')
}

const unreadable = new Proxy(
  {},
  { get: throws, getPrototypeOf: throws, has: throws, ownKeys: throws },
)

const endless: object = new Proxy({}, { getPrototypeOf: () => endless })

const withFields = (fields: object) => Object.assign(new Error('no'), fields)

function chain(length: number): Error {
  let error = new Error('cause 0')
  for (let i = 1; i < length; i++) error = new Error(`cause ${i}`, { cause: error })
  return error
}

describe('storeError', () => {
  test.each<[string, unknown, object]>([
    ['null', null, { name: 'Error', names: ['Error'], message: 'thrown null' }],
    ['undefined', undefined, { name: 'Error', names: ['Error'], message: 'thrown undefined' }],
    ['a text', 'oops', { name: 'NonError', names: ['NonError'], message: 'thrown oops' }],
    ['a number', 7, { name: 'NonError', names: ['NonError'], message: 'thrown 7' }],
    [
      'a symbol',
      Symbol('s'),
      { name: 'NonError', names: ['NonError'], message: 'thrown Symbol(s)' },
    ],
    ['an object', { a: 1 }, { name: 'Error', names: ['Error'], message: '{"a":1}' }],
    ['an object without a prototype', Object.create(null), { names: ['Error'], message: '{}' }],
    [
      'a TypeError',
      new TypeError('no'),
      { name: 'TypeError', names: ['TypeError', 'Error'], message: 'no' },
    ],
    [
      'an error of a subclass',
      new RateLimited('slow down'),
      { name: 'HttpError', names: ['RateLimited', 'HttpError', 'Error'], message: 'slow down' },
    ],
    [
      'a name that was set by hand',
      withFields({ name: 'AbortError' }),
      { name: 'AbortError', names: ['AbortError', 'Error'] },
    ],
    ['an empty name', withFields({ name: '' }), { name: 'Error' }],
    ['a name that is no text', withFields({ name: 5 }), { name: 'Error' }],
    ['a code', withFields({ code: 'ECONNRESET' }), { code: 'ECONNRESET' }],
    ['a status', withFields({ status: 503 }), { status: 503 }],
    ['a statusCode', withFields({ statusCode: 503 }), { status: 503 }],
    [
      'a status in words beside a statusCode',
      withFields({ status: 'fail', statusCode: 404 }),
      { status: 404 },
    ],
    ['an error that asks for no retry', withFields({ retryable: false }), { retryable: false }],
    ['a frozen error', Object.freeze(new TypeError('no')), { name: 'TypeError', message: 'no' }],
    ['a value that throws when it is read', unreadable, { name: 'Error', names: ['Error'] }],
    [
      'a value whose toJSON gives nothing',
      { toJSON: () => undefined },
      { message: 'a value that has no text' },
    ],
    ['a value whose toJSON throws', { toJSON: throws }, { message: 'a value that has no text' }],
    ['a list that contains itself', circular(), { message: 'a value that has no text' }],
  ])('stores %s', (_name, thrown, expected) => {
    expect(storeError(thrown)).toMatchObject(expected)
  })

  test.each([
    ['a code that is a number', { code: 5 }, 'code'],
    ['a status that is a text', { status: '503' }, 'status'],
    ['a status that is NaN', { status: Number.NaN }, 'status'],
    ['retryable that is a text', { retryable: 'no' }, 'retryable'],
  ])('leaves out %s', (_name, fields, key) => {
    expect(storeError(withFields(fields))).not.toHaveProperty(key)
  })

  test.each([
    [1_500, { retryAfterMs: 1_500 }],
    [0, { retryAfterMs: 0 }],
    [-1, {}],
    [Number.NaN, {}],
    ['5', {}],
    [null, {}],
  ])('stores a wait of %j as %j', (retryAfterMs, expected) => {
    const {
      name: _name,
      names: _names,
      message: _message,
      ...others
    } = storeError(Object.assign(new Error('x'), { retryAfterMs }))
    expect(others).toEqual(expected)
  })

  test('survives a prototype chain without an end', () => {
    expect(storeError(endless)).toMatchObject({ name: 'Error' })
  })

  test('reads what it can of an error with throwing getters', () => {
    const error = new TypeError('no')
    for (const key of ['name', 'code', 'status', 'cause', 'retryable']) {
      Object.defineProperty(error, key, { get: throws })
    }
    expect(storeError(error)).toEqual({
      name: 'TypeError',
      names: ['TypeError', 'Error'],
      message: 'no',
    })
  })

  test('stores causes, and lifts the code of the nearest that has one', () => {
    const cause = withFields({ code: 'ECONNRESET', cause: withFields({ code: 'EPIPE' }) })
    const stored = storeError(new HttpError('no', { cause: new Error('between', { cause }) }))
    expect(stored.code).toBe('ECONNRESET')
    expect(stored.cause?.cause?.cause?.code).toBe('EPIPE')
  })

  test('stores a cause that is no error', () => {
    const error = new Error('no', { cause: 'because' })
    expect(storeError(error).cause).toEqual({
      name: 'NonError',
      names: ['NonError'],
      message: 'thrown because',
    })
  })

  test('stores five causes at most', () => {
    expect(depthOf(storeError(chain(20)))).toBe(5)
  })

  test('ends a circle of causes', () => {
    const first = new Error('first')
    first.cause = new Error('second', { cause: first })
    expect(depthOf(storeError(first))).toBe(5)
    const alone = new Error('alone')
    alone.cause = alone
    expect(depthOf(storeError(alone))).toBe(0)
  })

  test('cuts a long message', () => {
    expect(storeError(new Error('x'.repeat(10_000))).message).toHaveLength(8_193)
  })

  test('never throws, and gives what JSON can carry', () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true, withBigInt: true }), (thrown) => {
        const stored = storeError(thrown)
        expect(JSON.parse(JSON.stringify(stored))).toEqual(stored)
      }),
    )
  })
})

describe('isFailure', () => {
  test.each([
    ['a failure', { kind: 'error', error: { name: 'Error', names: ['Error'], message: '' } }, true],
    ['another object', { kind: 'error' }, false],
    ['null', null, false],
    ['nothing', undefined, false],
    ['a text', 'error', false],
  ])('of %s', (_name, value, expected) => expect(isFailure(value)).toBe(expected))
})

function depthOf(error: ReturnType<typeof storeError>): number {
  return error.cause === undefined ? 0 : 1 + depthOf(error.cause)
}

function circular(): object {
  const list: unknown[] = []
  list.push(list)
  return list
}
