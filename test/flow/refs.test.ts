import { format, inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { DefinitionError } from '../../src/core/errors.ts'
import { flow } from '../../src/flow/flow.ts'
import { at } from '../../src/flow/refs.ts'
import { list, ping, take } from './tasks.ts'

/** Hands a Ref to a function inside of a build, without its type, as plain JavaScript would have it. */
function withRef<T>(use: (ref: ReturnType<typeof JSON.parse>) => T): T {
  const results: T[] = []
  flow({ name: 'f', input: z.object({}) }, () => {
    results.push(use(list({ site: 'x' }).urls))
  })
  const [result] = results
  if (result === undefined) throw new Error('the build function did not run')
  return result
}

describe('a misused Ref', () => {
  test.each<[string, (ref: ReturnType<typeof JSON.parse>) => unknown, string]>([
    ['in a template string', (ref) => `${ref}`, 'Pass it to a task and compute there'],
    ['added to a text', (ref) => `a${ref}`, 'no part of a text or a sum'],
    ['added to a number', (ref) => ref + 1, 'no part of a text or a sum'],
    ['compared', (ref) => ref > 1, 'no part of a text or a sum'],
    ['as text', (ref) => ref.toString(), 'at(ref, "toString")'],
    ['as a number', (ref) => ref.valueOf(), 'at(ref, "valueOf")'],
    ['by String()', (ref) => String(ref), 'no part of a text or a sum'],
    ['spread into an array', (ref) => [...ref], 'at(ref, index)'],
    ['spread into arguments', (ref) => Math.max(...ref), 'at(ref, index)'],
    ['destructured as an array', ([first]) => first, 'at(ref, index)'],
    [
      'by for of',
      (ref) => {
        for (const item of ref) return item
      },
      'at(ref, index)',
    ],
    ['by Array.from', (ref) => Array.from(ref), 'at(ref, index)'],
    ['spread into an object', (ref) => ({ ...ref }), 'name the properties: { url: ref.url }'],
    ['by rest properties', ({ a, ...rest }) => [a, rest], 'name the properties'],
    ['by Object.keys', (ref) => Object.keys(ref), 'name the properties'],
    ['by in', (ref) => 'url' in ref, 'name the properties'],
    ['by hasOwn', (ref) => Object.hasOwn(ref, 'url'), 'name the properties'],
    ['as JSON', (ref) => JSON.stringify({ ref }), 'can not be written as JSON'],
    ['with a then', (ref) => ref.then(() => 1), 'at(ref, "then")'],
    [
      'set',
      (ref) => {
        ref.url = 'x'
      },
      'Build a new object',
    ],
    [
      'deleted from',
      (ref) => {
        delete ref.url
      },
      'Build a new object',
    ],
    ['defined on', (ref) => Object.defineProperty(ref, 'url', {}), 'Build a new object'],
    ['called', (ref) => ref(), 'it is no function'],
    [
      'with a method of its value',
      (ref) => ref.map(() => 1),
      'Ref<list.urls.map>: it is no function',
    ],
  ])('throws when it is used %s', (_name, misuse, advice) => {
    const thrown = withRef((ref) => {
      try {
        misuse(ref)
        return new Error('nothing was thrown')
      } catch (error) {
        return error instanceof Error ? error : new Error('no Error')
      }
    })
    expect(thrown).toBeInstanceOf(DefinitionError)
    expect(thrown.message).toContain('Ref<list.urls')
    expect(thrown.message).toContain(advice)
  })

  test('throws when it is awaited', async () => {
    const awaiting = withRef(async (ref) => await ref)
    await expect(awaiting).rejects.toThrow('a build function is synchronous')
  })
})

describe('a Ref', () => {
  test('shows what it stands for when it is logged', () => {
    expect(withRef((ref) => inspect(ref))).toBe('Ref<list.urls>')
    expect(withRef((ref) => inspect({ ref: at(ref, 0) }))).toBe('{ ref: Ref<list.urls[0]> }')
    expect(withRef((ref) => format('ref:', ref))).toBe('ref: Ref<list.urls>')
    expect(withRef((ref) => Object.prototype.toString.call(ref))).toBe('[object Ref]')
  })

  test('gives the same Ref for the same property every time', () => {
    const twice = [1, 2]
    expect(withRef((ref) => new Set(twice.map(() => ref.a.b)).size)).toBe(1)
    expect(withRef((ref) => new Set(twice.map(() => at(ref, 0))).size)).toBe(1)
    expect(withRef((ref) => ref.a === ref.b)).toBe(false)
  })

  test('gives a Ref for the properties that every function has', () => {
    const names = ['name', 'length', 'constructor', 'prototype', 'call', 'apply', 'bind']
    expect(withRef((ref) => names.map((name) => inspect(ref[name])))).toEqual(
      names.map((name) => `Ref<list.urls.${name}>`),
    )
  })

  test.each<[string, () => unknown, string]>([
    [
      'of an outer build',
      () =>
        flow({ name: 'outer', input: z.object({ url: z.string() }) }, (input) => {
          flow({ name: 'within', input: z.object({}) }, () => ping({ url: input.url }))
        }),
      'ping: input.url: Ref<input.url> belongs to the build of flow "outer".',
    ],
    [
      'of a build that has ended',
      () => {
        const kept: unknown[] = []
        flow({ name: 'ended', input: z.object({}) }, () => {
          kept.push(list({ site: 'x' }))
        })
        flow({ name: 'later', input: z.object({}) }, () => take({ a: [kept[0]] }))
      },
      'take: input.a[0]: Ref<list> belongs to the build of flow "ended", which has ended.',
    ],
    [
      'of an ended build in the output',
      () => {
        const kept: unknown[] = []
        flow({ name: 'ended', input: z.object({}) }, () => {
          kept.push(list({ site: 'x' }))
        })
        flow({ name: 'later', input: z.object({}) }, () => {
          take(1)
          return { kept }
        })
      },
      'later: output.kept[0]: Ref<list> belongs',
    ],
  ])('is refused as one %s', (_name, define, message) => {
    expect(define).toThrow(DefinitionError)
    expect(define).toThrow(message)
  })
})

describe('at', () => {
  test.each<[string, unknown, unknown, string]>([
    ['no Ref', ['a'], 0, "expected a Ref, got [ 'a' ]"],
    ['a negative index', null, -1, 'an index from 0, got -1'],
    ['a fraction', null, 0.5, 'an index from 0, got 0.5'],
    ['a symbol', null, Symbol('x'), 'an index from 0, got Symbol(x)'],
  ])('refuses %s', (_name, value, key, message) => {
    const call = (ref: unknown) => Reflect.apply(at, undefined, [value ?? ref, key])
    expect(() => withRef(call)).toThrow(message)
  })
})
