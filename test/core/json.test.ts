import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SerializationError } from '../../src/core/errors.ts'
import { fromJsonText, toJsonText } from '../../src/core/json.ts'

function throws(): never {
  throw new Error('hostile')
}

function circular(): object {
  const value: { list: unknown[] } = { list: [] }
  value.list.push(value)
  return value
}

function nested(levels: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < levels; i++) value = [value]
  return value
}

describe('toJsonText', () => {
  test('writes any JSON as JSON.stringify does', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(toJsonText(value, 'result')).toBe(JSON.stringify(value))
      }),
    )
  })

  test.each<[string, unknown, string]>([
    ['undefined', undefined, 'null'],
    ['a function', () => 1, 'null'],
    ['an undefined property', { a: undefined, b: 1 }, '{"b":1}'],
    ['a function in a list', [() => 1], '[null]'],
    ['a Date', { at: new Date(0) }, '{"at":"1970-01-01T00:00:00.000Z"}'],
    ['a toJSON', { toJSON: () => [1] }, '[1]'],
    ['the same value twice', twice(), '[{"a":1},{"a":1}]'],
    ['200 levels', nested(200), `${'['.repeat(200)}1${']'.repeat(200)}`],
  ])('accepts %s', (_name, value, text) => expect(toJsonText(value, 'result')).toBe(text))

  test.each<[string, unknown, string, string]>([
    ['a BigInt', 1n, 'result', 'is a BigInt'],
    ['a BigInt inside', { items: [{ total: 1n }] }, 'result.items[0].total', 'is a BigInt'],
    ['NaN', [0, Number.NaN], 'result[1]', 'is NaN, which JSON turns into null'],
    ['an infinity', { a: Number.NEGATIVE_INFINITY }, 'result.a', 'is -Infinity'],
    ['a cycle', circular(), 'result.list[0]', 'refers to a value that contains it (a cycle)'],
    ['a Map', { a: new Map() }, 'result.a', 'is a Map, which JSON turns into {}'],
    ['a Set', [new Set()], 'result[0]', 'is a Set, which JSON turns into {}'],
    ['a throwing toJSON', { a: { toJSON: throws } }, 'result.a', 'has a toJSON() that throws'],
    ['a toJSON that gives NaN', { a: { toJSON: () => Number.NaN } }, 'result.a', 'is NaN'],
    [
      'a throwing property',
      { a: Object.defineProperty({}, 'b', { get: throws, enumerable: true }) },
      'result.a',
      'has a property that throws when it is read',
    ],
    [
      '201 levels',
      nested(201),
      `result${'[0]'.repeat(200)}`,
      'is nested more than 200 levels deep',
    ],
  ])('refuses %s and says where it is', (_name, value, path, problem) => {
    const error = errorOf(() => toJsonText(value, 'result'))
    expect(error).toBeInstanceOf(SerializationError)
    expect(error).toMatchObject({ path, code: 'serialization' })
    expect(error).toHaveProperty('message', expect.stringContaining(`${path}: ${problem}`))
  })
})

describe('fromJsonText', () => {
  test('reads what toJsonText wrote', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = toJsonText(value, 'result')
        expect(toJsonText(fromJsonText(text, 'result'), 'result')).toBe(text)
      }),
    )
  })

  test('says where a broken text came from', () => {
    expect(() => fromJsonText('{', 'run 0-a: input')).toThrow('run 0-a: input: is not valid JSON')
  })
})

function twice(): unknown {
  const value = { a: 1 }
  return [value, value]
}

function errorOf(attempt: () => unknown): unknown {
  try {
    return attempt()
  } catch (error) {
    return error
  }
}
