import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { DefinitionError } from '../../src/core/errors.ts'
import type { Json } from '../../src/core/json.ts'
import { flow } from '../../src/flow/flow.ts'
import type { Template } from '../../src/flow/graph.ts'
import { resolveTemplate, sourcesOf, templateAt } from '../../src/flow/templates.ts'
import { take } from './tasks.ts'

class Money {
  readonly amount = 1
}

/** The template of a value that is passed to a task. */
function templateOf(value: unknown): Template {
  const { graph } = flow({ name: 'f', input: z.unknown() }, () => take(value))
  const [node] = graph.nodes
  if (node?.kind !== 'task') throw new Error('expected a task node')
  return node.input
}

const sparse: unknown[] = []
sparse[1] = 'b'
const cycle: { self?: unknown } = {}
cycle.self = cycle

describe('toTemplate', () => {
  test.each<[string, unknown, Json]>([
    ['a text', 'a', 'a'],
    ['nothing', undefined, null],
    ['undefined properties', { a: undefined, b: 1 }, { b: 1 }],
    ['undefined elements', [undefined, 1], [null, 1]],
    ['holes', sparse, [null, 'b']],
    ['minus zero', -0, 0],
    ['an object without prototype', Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
    ['nested constants', { a: [{ b: null }, true] }, { a: [{ b: null }, true] }],
  ])('makes a constant of %s', (_name, value, expected) => {
    expect(templateOf(value)).toStrictEqual({ lit: expected })
  })

  test.each<[string, unknown, string]>([
    ['NaN', { a: [Number.NaN] }, 'take: input.a[0]: is NaN'],
    ['a BigInt', { a: 1n }, 'take: input.a: is a BigInt'],
    ['a function', { a: () => 1 }, 'take: input.a: expected what JSON can carry, got a function'],
    ['a symbol', Symbol('x'), 'take: input: expected what JSON can carry, got a symbol'],
    ['a Date', { at: new Date() }, 'send date.toISOString()'],
    ['a Map', new Map(), 'got a Map; send an array or an object'],
    [
      'a promise',
      [Promise.resolve(1)],
      'take: input[0]: expected what JSON can carry, got a Promise',
    ],
    ['an instance', { money: new Money() }, 'got an object (Money)'],
    ['a cycle', cycle, 'nested more than 200 levels deep, or in itself'],
    ['__proto__', JSON.parse('{"__proto__": 1}'), '"__proto__"'],
  ])('refuses %s', (_name, value, message) => {
    expect(() => templateOf(value)).toThrow(DefinitionError)
    expect(() => templateOf(value)).toThrow(message)
  })
})

describe('resolveTemplate', () => {
  const values: Record<string, Json> = {
    input: { a: { b: [10, 20] }, text: 'abc', '': 1 },
    0: { __proto__x: 1 },
  }
  const resolve = (template: Template) => resolveTemplate(template, (source) => values[source])

  test.each<[string, Template, Json | undefined]>([
    ['a constant', { lit: { a: 1 } }, { a: 1 }],
    ['a whole value', { ref: 0, path: [] }, { __proto__x: 1 }],
    ['a path', { ref: 'input', path: ['a', 'b', 1] }, 20],
    ['an index as text', { ref: 'input', path: ['a', 'b', '1'] }, 20],
    ['an empty name', { ref: 'input', path: [''] }, 1],
    ['a missing node', { ref: 7, path: ['a'] }, undefined],
    ['a missing property', { ref: 'input', path: ['x', 'y'] }, undefined],
    ['an index out of range', { ref: 'input', path: ['a', 'b', 2] }, undefined],
    ['an inherited property', { ref: 'input', path: ['constructor'] }, undefined],
    ['a prototype', { ref: 'input', path: ['__proto__', 'toString'] }, undefined],
    ["an array's length", { ref: 'input', path: ['a', 'b', 'length'] }, undefined],
    ["a text's length", { ref: 'input', path: ['text', 'length'] }, undefined],
    [
      'an object without what is missing',
      { obj: { a: { ref: 'input', path: ['text'] }, b: { ref: 'input', path: ['x'] } } },
      { a: 'abc' },
    ],
    [
      'an array with null for what is missing',
      { arr: [{ ref: 'input', path: ['x'] }, { lit: 1 }] },
      [null, 1],
    ],
  ])('gives %s', (_name, template, expected) => {
    expect(resolve(template)).toStrictEqual(expected)
  })

  test('never changes a prototype', () => {
    const template: Template = { obj: JSON.parse('{"__proto__": {"lit": {"admin": true}}}') }
    const resolved = resolve(template)
    expect(Object.getPrototypeOf(resolved)).toBe(Object.prototype)
    expect(JSON.stringify(resolved)).toBe('{"__proto__":{"admin":true}}')
  })

  test('returns a constant as it is', () => {
    const lit = { a: [1] }
    expect(resolve({ lit })).toBe(lit)
  })

  test('gives back what was passed, whatever it is', () => {
    const json = fc.jsonValue({ noUnicodeString: false })
    fc.assert(
      fc.property(json, (value) => {
        const text = JSON.stringify(value)
        fc.pre(!text.includes('"__proto__"'))
        const expected: unknown = JSON.parse(text)
        expect(resolveTemplate(templateOf(value), () => undefined)).toStrictEqual(expected)
      }),
    )
  })
})

describe('templateAt', () => {
  test.each<[string, Template, string | number, Template | undefined]>([
    ['a Ref', { ref: 1, path: ['a'] }, 0, { ref: 1, path: ['a', 0] }],
    ['an object', { obj: { a: { ref: 1, path: [] } } }, 'a', { ref: 1, path: [] }],
    ['an object without it', { obj: {} }, 'toString', undefined],
    ['an array', { arr: [{ lit: 1 }] }, 0, { lit: 1 }],
    ['an array without it', { arr: [] }, 'length', undefined],
    ['a constant', { lit: { a: [1] } }, 'a', { lit: [1] }],
    ['a constant without it', { lit: { a: 1 } }, 'b', undefined],
  ])('gives the part of %s', (_name, template, key, expected) => {
    expect(templateAt(template, key)).toEqual(expected)
  })
})

describe('sourcesOf', () => {
  test('gives everything once', () => {
    const template: Template = {
      obj: {
        a: {
          arr: [
            { ref: 2, path: [] },
            { ref: 'input', path: [] },
          ],
        },
        b: { ref: 2, path: ['x'] },
        c: { lit: 1 },
      },
    }
    expect([...sourcesOf(template)]).toEqual([2, 'input'])
  })
})
