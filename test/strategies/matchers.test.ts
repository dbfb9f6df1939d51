import { describe, expect, test } from 'vitest'
import { storeError } from '../../src/core/failure.ts'
import {
  findMatcher,
  type Matcher,
  matchersSchema,
  matcherText,
} from '../../src/strategies/matchers.ts'
import { HttpError } from './failed-attempt.ts'

class RateLimited extends HttpError {}

const coded = (code: string, cause?: unknown) => Object.assign(new Error('no', { cause }), { code })
const withStatus = (fields: object) => Object.assign(new Error('no'), fields)

function unreadable(): unknown {
  return new Proxy(
    {},
    {
      get: () => {
        throw new Error('get')
      },
      getPrototypeOf: () => {
        throw new Error('getPrototypeOf')
      },
    },
  )
}

describe('findMatcher', () => {
  test.each<[string, Matcher, unknown, boolean]>([
    ['a class matches its instance', HttpError, new HttpError(500), true],
    ['a class matches an instance of a subclass', HttpError, new RateLimited(429), true],
    ['a subclass does not match its parent', RateLimited, new HttpError(429), false],
    ['Error matches every error', Error, new TypeError('no'), true],
    ['a class does not match another', TypeError, new RangeError('no'), false],
    ['a name matches', 'TypeError', new TypeError('no'), true],
    ['a name matches anywhere in the prototype chain', 'HttpError', new RateLimited(429), true],
    ['a name that was set by hand matches', 'AbortError', withStatus({ name: 'AbortError' }), true],
    ['a name is compared whole', 'Type', new TypeError('no'), false],
    ['a code matches', 'ECONNRESET', coded('ECONNRESET'), true],
    [
      'the code of a cause matches',
      'ECONNRESET',
      new Error('no', { cause: coded('ECONNRESET') }),
      true,
    ],
    ['an own code hides that of the cause', 'B', coded('A', coded('B')), false],
    [
      'the name of a cause does not match',
      'TypeError',
      new Error('no', { cause: new TypeError('no') }),
      false,
    ],
    ['a status matches', 503, new HttpError(503), true],
    ['a statusCode matches', 503, withStatus({ statusCode: 503 }), true],
    [
      'a statusCode matches beside a status in words',
      404,
      withStatus({ status: 'fail', statusCode: 404 }),
      true,
    ],
    ['a status is compared exactly', 503, new HttpError(502), false],
    ['no status matches no number', 503, new Error('no'), false],
    ['a status class matches its first', '5xx', new HttpError(500), true],
    ['a status class matches its last', '5xx', new HttpError(599), true],
    ['a status class does not match its neighbour', '5xx', new HttpError(499), false],
    ['a status class matches in capitals', '4XX', new HttpError(404), true],
    ['a status class needs a status', '5xx', new Error('5xx'), false],
    ['a frozen error matches', HttpError, Object.freeze(new HttpError(500)), true],
    ['a thrown string is a NonError', 'NonError', 'oops', true],
    ['a thrown string is no Error', Error, 'oops', false],
    ['a thrown null has a name', 'Error', null, true],
    ['a thrown undefined matches no other', 'TypeError', undefined, false],
    ['a value that throws when it is looked at', HttpError, unreadable(), false],
  ])('%s', (_name, matcher, thrown, expected) => {
    const found = findMatcher([matcher], storeError(thrown), thrown)
    expect(found).toBe(expected ? matcher : undefined)
  })

  test('matches a class by name where the thrown value is gone', () => {
    expect(findMatcher([HttpError], storeError(new RateLimited(429)))).toBe(HttpError)
  })

  test('matches an instance whose class has lost its name', () => {
    const error = new HttpError(500)
    const stored = { name: 'e', names: ['e'], message: '' }
    expect(findMatcher([HttpError], stored, error)).toBe(HttpError)
  })

  test('gives the first that matches', () => {
    const error = new HttpError(503)
    expect(findMatcher(['TypeError', '5xx', 503], storeError(error), error)).toBe('5xx')
  })
})

describe('matchersSchema', () => {
  const OldError = function OldError() {}
  OldError.prototype = Object.create(Error.prototype)

  test.each<[string, unknown]>([
    ['an error class', [HttpError]],
    ['Error itself', [Error]],
    ['a class in the style of ES5', [OldError]],
    ['a name, a code, a status and a status class', ['HttpError', 'ECONNRESET', 429, '5xx']],
  ])('accepts %s', (_name, list) => {
    expect(matchersSchema.safeParse(list).success).toBe(true)
  })

  test.each<[string, unknown, string]>([
    ['an empty list', [], 'expected at least one entry, got an empty list'],
    [
      'no list',
      'HttpError',
      'expected a list of error classes, names, codes, HTTP statuses or status classes, got "HttpError"',
    ],
    ['an empty name', [''], 'got ""'],
    ['a number that is no status', [5], 'got 5'],
    ['a fraction', [500.5], 'got 500.5'],
    ['NaN', [Number.NaN], 'got NaN'],
    ['an arrow function', [() => true], 'got a function'],
    ['a class without a name', [class extends Error {}], 'got a function'],
    ['a class that is no error', [Map], 'got function Map'],
    ['an object', [{ name: 'HttpError' }], 'got an object (HttpError)'],
    ['null', [null], 'got null'],
  ])('refuses %s', (_name, list, message) => {
    expect(matchersSchema.safeParse(list).error?.issues[0]?.message).toContain(message)
  })
})

describe('matcherText', () => {
  test.each<[Matcher, string]>([
    [HttpError, 'HttpError'],
    ['5xx', '5xx'],
    [503, '503'],
  ])('of %s is %s', (matcher, text) => expect(matcherText(matcher)).toBe(text))
})
