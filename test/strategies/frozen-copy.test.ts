import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { frozenCopy } from '../../src/strategies/frozen-copy.ts'

describe('frozenCopy', () => {
  test('is equal and frozen at every level', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const copy = frozenCopy(value)
        expect(copy).toEqual(value)
        expect(isDeepFrozen(copy)).toBe(true)
      }),
    )
  })

  test('leaves its original alone', () => {
    const original = { list: [{ a: 1 }] }
    frozenCopy(original)
    expect([original, original.list, original.list[0]].some(Object.isFrozen)).toBe(false)
  })

  test('keeps a key named __proto__ as data', () => {
    const copy = frozenCopy(JSON.parse('{"__proto__": {"a": 1}}'))
    expect(Object.keys(copy)).toEqual(['__proto__'])
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype)
  })
})

function isDeepFrozen(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true
  return Object.isFrozen(value) && Object.values(value).every(isDeepFrozen)
}
