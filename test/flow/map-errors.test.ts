import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { DefinitionError } from '../../src/core/errors.ts'
import { and, is } from '../../src/flow/conditions.ts'
import { flow } from '../../src/flow/flow.ts'
import { firstOf, orElse, settled, succeeded } from '../../src/flow/joins.ts'
import type { Ref } from '../../src/flow/ref-types.ts'
import { at } from '../../src/flow/refs.ts'
import { graphOf } from './short-graph.ts'
import { alert, list, ping, take } from './tasks.ts'

type Input = Ref<{ site: string; orders: { id: string; lines: number[] }[] }>

/** Calls of `map` as code that no compiler checks makes them. */
interface Untyped {
  map(...args: unknown[]): Ref<unknown[]>
}
const untyped: Untyped = take

const inner = flow({ name: 'inner', input: z.unknown() }, () => ping({ url: 'x' }))

describe('map', () => {
  test.each<[string, (input: Input) => unknown, string]>([
    ['no items', () => untyped.map(undefined), 'take.map(): items: expected a Ref to an array'],
    ['a text', () => untyped.map('abc'), 'items: expected a Ref to an array, or an array with'],
    ['an object', ({ site }) => untyped.map({ site }), 'items: expected a Ref to an array'],
    ['a condition', ({ site }) => untyped.map(is(site, 'x')), 'items: expected a Ref to an array'],
    ['a function', () => untyped.map(() => [1]), 'take.map(): items: expected what JSON can carry'],
    [
      'too many items',
      () => take.map([1, 2, 3], { maxItems: 2 }),
      'take.map(): items: expected at most 2 (the option maxItems), got 3',
    ],
    [
      'a Ref as function',
      ({ orders, site }) => untyped.map(orders, site),
      'take.map(): expected a function (item, index) => arguments as second argument, got a Ref',
    ],
    ['a text as function', ({ orders }) => untyped.map(orders, 'x'), 'second argument, got "x"'],
    [
      'options and options',
      ({ orders }) => untyped.map(orders, {}, {}),
      'second argument, got an object',
    ],
    [
      'an async function',
      ({ orders }) => untyped.map(orders, () => Promise.reject(new Error('x'))),
      'take.map(): the result of its function: expected what JSON can carry, got a Promise',
    ],
    [
      'a task in the function',
      ({ orders }) => take.map(orders, ({ id }) => ping({ url: id })),
      'take.map(): ping was made in its function, which runs once and makes the arguments for an item. To do more than one thing for each item, put it into a flow and map that',
    ],
    [
      'a flow in the function',
      ({ orders }) => take.map(orders, () => inner(1)),
      'take.map(): inner/ping was made in its function',
    ],
    [
      'a join in the function',
      ({ orders }) => take.map(take.map(orders), (item) => settled(item)),
      'take.map(): $settled was made in its function',
    ],
    [
      'a join of what comes from outside in the function',
      ({ orders }) => {
        const x = list({ site: 'x' })
        return take.map(orders, () => settled(x))
      },
      'settled(ref): Ref<list> comes from outside of the map, which starts when that has succeeded. Call this outside',
    ],
    [
      'a map in the function',
      ({ orders }) => take.map(orders, ({ lines }) => take.map(lines)),
      'take.map(): take-2[] was made in its function',
    ],
    [
      'an unknown option',
      ({ orders }) => untyped.map(orders, undefined, { tolerated: 1 }),
      'take.map(): ✖ Unrecognized key: "tolerated"',
    ],
    ['no options', ({ orders }) => untyped.map(orders, () => 1, 7), 'take.map(): ✖ Invalid input'],
    ...[-1, 1.5, Number.NaN, '1', Number.POSITIVE_INFINITY].map(
      (tolerate): [string, (input: Input) => unknown, string] => [
        `tolerate: ${tolerate}`,
        ({ orders }) => untyped.map(orders, { tolerate }),
        `expected a whole number of items from 0, or a fraction between 0 and 1, got ${JSON.stringify(tolerate) === 'null' ? tolerate : JSON.stringify(tolerate)}`,
      ],
    ),
    ...[0, 65_536, 1.5, '9'].map((maxItems): [string, (input: Input) => unknown, string] => [
      `maxItems: ${maxItems}`,
      ({ orders }) => untyped.map(orders, { maxItems }),
      `expected a whole number from 1 to 65535, got ${JSON.stringify(maxItems)}`,
    ]),
    [
      'a key that is no function',
      ({ orders }) => untyped.map(orders, { key: 'id' }),
      'expected a function (item, index) => a Ref to the item\'s key, got "id"',
    ],
    [
      'a Ref as key',
      ({ orders, site }) => untyped.map(orders, { key: site }),
      "expected a function (item, index) => a Ref to the item's key",
    ],
    [
      'a constant as key',
      ({ orders }) => untyped.map(orders, { key: () => 'x' }),
      'take.map(): key: expected a function that returns the item, a part of it, or its index',
    ],
    [
      'a key of something else',
      ({ orders, site }) => untyped.map(orders, { key: () => site }),
      'take.map(): key: expected a function that returns the item',
    ],
    [
      'a task in the key',
      ({ orders }) => untyped.map(orders, { key: () => take(1) }),
      'take.map(): key: take-2 was made in its function',
    ],
    [
      'a key for a map of results',
      ({ orders }) => take.map(take.map(orders), { key: (item) => at(item, 'id') as Ref<string> }),
      'expected none, since a map of the results of another one has its items and their keys',
    ],
    [
      'maxItems for a map of results',
      ({ orders }) => take.map(take.map(orders), { maxItems: 5 }),
      'expected none, since a map of the results of another one has its items and their keys, got 5',
    ],
    [
      'a trigger that looks outside',
      ({ orders }) => {
        const x = alert({})
        take.with({ trigger: 'all_done', after: [x] }).map(orders)
      },
      "take.with(): trigger: 'all_done': it waits for alert, which is outside of the map",
    ],
    [
      'a trigger that uses results that may not be there',
      ({ orders }) => take.with({ trigger: 'all_done' })(take.map(orders)),
      'the input uses take, which may have no value then',
    ],
    [
      'a trigger that uses what is left of such results',
      ({ orders }) =>
        take.with({ trigger: 'any_failed' })(succeeded(take.map(orders, { tolerate: 1 }))),
      'the input uses $succeeded, which may have no value then',
    ],
    [
      'a key that is taken',
      ({ orders }) => {
        take(1)
        take.with({ key: 'take' }).map(orders)
      },
      'take.with(): key: expected a key that no other node of the flow has, got "take" again',
    ],
  ])('refuses %s', (_name, build, message) => {
    expect(() => graphOf(build)).toThrow(DefinitionError)
    expect(() => graphOf(build)).toThrow(message)
  })

  test('is called in a build function only', () => {
    expect(() => take.map([1])).toThrow(
      "take.map() was called outside of a flow's build function. Call it in the function that you pass to flow()",
    )
    expect(() => inner.map([1])).toThrow("inner.map() was called outside of a flow's build")
  })

  test('refuses maps inside of maps that could have more items than can be numbered', () => {
    const nest = (maxItems: number) => {
      const a = flow({ name: 'a', input: z.unknown() }, () => take.map([1], { maxItems }))
      const b = flow({ name: 'b', input: z.unknown() }, () => a.map([1], { maxItems }))
      return () => graphOf(() => b.map([1], { maxItems }))
    }
    expect(nest(1_000)).not.toThrow()
    expect(nest(10_000)).toThrow(/its maps inside of maps could have \d+ items, \d+ are possible/)
  })
})

describe('what belongs to an item', () => {
  let leaked: Ref<string> | undefined

  test.each<[string, (ref: Ref<string>) => unknown]>([
    ['an input', (ref) => take({ deep: [ref] })],
    ['a condition', (ref) => and(is(ref, 'x'))],
    ['after', (ref) => alert.with({ after: [ref] })({})],
    ['settled', (ref) => settled(ref)],
    ['orElse', (ref) => orElse(ref, () => take(1))],
    ['items', (ref) => take.map([ref])],
    ['the output', (ref) => ref],
    ["another map's function", (ref) => take.map([1], () => ref)],
  ])('is refused outside of the map: %s', (_name, use) => {
    const g = flow({ name: 'g', input: z.object({ id: z.string() }) }, ({ id }) => {
      const answer = ping({ url: id })
      leaked = answer.text
      return answer
    })
    const ofNode = () =>
      graphOf((input) => {
        g.map(input.orders, ({ id }) => ({ id }))
        return leaked && use(leaked)
      })
    const ofItem = () =>
      graphOf((input) => {
        take.map(input.orders, ({ id }) => {
          leaked = id
          return id
        })
        return leaked && use(leaked)
      })
    for (const define of [ofNode, ofItem]) {
      expect(define).toThrow(DefinitionError)
      expect(define).toThrow(/Ref<(g\[\*\]\/ping\.text|item\.id)> belongs to one item of a map/)
    }
  })
})

describe('joins in a mapped flow', () => {
  test.each<[string, (outside: Ref<string>) => unknown]>([
    ['settled', (outside) => settled(outside)],
    ['orElse', (outside) => orElse(outside, () => take(1))],
    ['plan B', (outside) => orElse(take(1), () => outside)],
    ['firstOf', (outside) => firstOf(take(1), outside)],
  ])('are refused for what comes from outside: %s', (_name, use) => {
    let isMapped = false
    const g = flow({ name: 'g', input: z.object({ title: z.string() }) }, ({ title }) => {
      take(0)
      return isMapped && use(title)
    })
    const define = () =>
      graphOf((input) => {
        const { title } = list({ site: input.site })
        isMapped = true
        g.map(input.orders, () => ({ title }))
      })
    expect(define).toThrow('Ref<g[*]/input.title> comes from outside of the map, which starts when')
  })

  test('say that an item never fails', () => {
    let isMapped = false
    const g = flow({ name: 'g', input: z.unknown() }, (input) => {
      const answer = take(input)
      return isMapped ? orElse(input, () => answer) : answer
    })
    const define = () =>
      graphOf((input) => {
        isMapped = true
        g.map(input.orders)
      })
    expect(define).toThrow('a part of the item that is mapped, which never fails')
  })

  test('and triggers are refused what comes from outside', () => {
    const g = flow({ name: 'g', input: z.object({ title: z.string() }) }, ({ title }) =>
      take.with({ trigger: 'all_done', after: [alert({})] })(title),
    )
    const define = () =>
      graphOf((input) => {
        const { title } = list({ site: input.site })
        g.map(input.orders, () => ({ title }))
      })
    expect(define).toThrow("trigger: 'all_done': it waits for list, which is outside of the map")
  })
})

describe('settled and succeeded', () => {
  const whole = flow({ name: 'whole', input: z.array(z.number()) }, (input) => take.map(input))

  test.each<[string, (input: Input) => unknown]>([
    ['the output of a flow', () => settled(whole([1]))],
    ['a part', ({ orders }) => settled(at(take.map(orders), 0))],
  ])('refuses to tell of the items of %s', (_name, build) => {
    expect(() => graphOf(build)).toThrow('settled(ref): expected what map() returned, as it is')
  })

  test.each<[string, (input: Input) => Ref<unknown>]>([
    ['results that all succeeded', ({ orders }) => take.map(orders)],
    ['an outcome', () => settled(take(1))],
    ['a task', () => take([])],
    ['a part', ({ orders }) => at(take.map(orders, { tolerate: 1 }), 0)],
  ])('refuses to drop the failed of %s', (_name, build) => {
    const drop: (ref: Ref<never>) => unknown = succeeded
    const define = () => graphOf((input) => drop(build(input) as Ref<never>))
    expect(define).toThrow('succeeded(ref): expected the results of a map with the option tolerate')
  })

  test('succeeded is called in a build function only', () => {
    let group: Ref<never> | undefined
    graphOf(({ orders }) => {
      group = take.map(orders) as Ref<unknown> as Ref<never>
    })
    expect(() => group && succeeded(group)).toThrow('succeeded(ref) was called outside of a flow')
  })
})
