import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { DefinitionError } from '../../src/core/errors.ts'
import { flow } from '../../src/flow/flow.ts'
import { orElse, settled } from '../../src/flow/joins.ts'
import type { Ref } from '../../src/flow/ref-types.ts'
import { alert, list, ping, take } from './tasks.ts'

const none = z.object({})

/** Each node in short: its kind, its upstreams' keys, and its paths. */
function shortGraph(build: (input: Ref<{ url: string }>) => unknown) {
  const { graph } = flow({ name: 'f', input: z.object({ url: z.string() }) }, build)
  const nodes = graph.nodes.map((node) => {
    const upstreams = node.upstreams.map((index) => graph.nodes[index]?.key)
    const paths = 'paths' in node ? [node.paths] : []
    return [node.key, upstreams, ...paths]
  })
  return { nodes, output: graph.output }
}

describe('orElse', () => {
  test('makes a gate, the plan behind it, and a join', () => {
    const { nodes, output } = shortGraph((input) =>
      orElse(ping({ url: input.url }), (failure) => take({ why: failure.error.message })),
    )
    expect(nodes).toEqual([
      ['ping', []],
      ['$gate', ['ping']],
      ['take', ['$gate']],
      ['$join', ['ping', 'take']],
    ])
    expect(output).toEqual({ ref: 3, path: [] })
  })

  test('keeps the path into either side', () => {
    const { nodes } = shortGraph(() =>
      orElse(list({ site: 'x' }).nested.deep, () => ping({ url: 'x' }).text),
    )
    expect(nodes.at(-1)).toEqual(['$join', ['list', 'ping'], [['nested', 'deep'], ['text']]])
  })

  test('lets every task of the plan wait for the failure, however it is wired', () => {
    const { nodes } = shortGraph((input) => {
      const other = list.with({ key: 'other' })({ site: 'x' })
      return orElse(ping({ url: input.url }), () => {
        const first = take.with({ key: 'constant' })(1)
        take.with({ key: 'behind-constant' })(first)
        take.with({ key: 'from-outside' })(other)
        take.with({ key: 'from-outcome' })(settled(other))
        return take.with({ key: 'mixed' })([first, other])
      })
    })
    expect(nodes.slice(3)).toEqual([
      ['constant', ['$gate']],
      ['behind-constant', ['constant']],
      ['from-outside', ['other', '$gate']],
      ['$settled', ['other']],
      ['from-outcome', ['$gate', '$settled']],
      ['mixed', ['other', 'constant']],
      ['$join', ['ping', 'mixed']],
    ])
  })

  test('lets the plan of an orElse in a plan wait for both failures', () => {
    const { nodes } = shortGraph((input) => {
      const other = list.with({ key: 'other' })({ site: 'x' })
      return orElse(ping({ url: input.url }), () =>
        orElse(other, () => take.with({ key: 'last' })(1)),
      )
    })
    expect(nodes.slice(2)).toEqual([
      ['$gate', ['ping']],
      ['$gate-2', ['other']],
      ['last', ['$gate', '$gate-2']],
      ['$join', ['other', 'last']],
      ['$join-2', ['ping', '$join']],
    ])
  })

  test('does not wait twice in a plan of a plan', () => {
    const { nodes } = shortGraph((input) =>
      orElse(ping({ url: input.url }), (failure) =>
        orElse(take.with({ key: 'b' })(failure), () => take.with({ key: 'c' })(1)),
      ),
    )
    expect(nodes.slice(2)).toEqual([
      ['b', ['$gate']],
      ['$gate-2', ['b']],
      ['c', ['$gate-2']],
      ['$join', ['b', 'c']],
      ['$join-2', ['ping', '$join']],
    ])
  })

  test('takes a node outside of the plan, an earlier one too, or the failure itself, as plan B', () => {
    const { nodes } = shortGraph((input) => {
      const early = list({ site: 'x' })
      const x = ping({ url: input.url })
      return [orElse(x, () => early.title), orElse(x, (failure) => failure.error.name)]
    })
    expect(nodes.slice(2)).toEqual([
      ['$gate', ['ping']],
      ['$join', ['ping', 'list'], [[], ['title']]],
      ['$gate-2', ['ping']],
      ['$join-2', ['ping', '$gate-2'], [[], ['error', 'name']]],
    ])
  })

  test('works on a flow, in a flow, under its prefix', () => {
    const inner = flow({ name: 'inner', input: none }, () =>
      orElse(ping({ url: 'x' }), () => ping({ url: 'y' })),
    )
    const { nodes } = shortGraph(() => orElse(inner({}), () => inner({})))
    expect(nodes).toEqual([
      ['inner/ping', []],
      ['inner/$gate', ['inner/ping']],
      ['inner/ping-2', ['inner/$gate']],
      ['inner/$join', ['inner/ping', 'inner/ping-2']],
      ['$gate', ['inner/$join']],
      ['inner-2/ping', ['$gate']],
      ['inner-2/$gate', ['inner-2/ping']],
      ['inner-2/ping-2', ['inner-2/$gate']],
      ['inner-2/$join', ['inner-2/ping', 'inner-2/ping-2']],
      ['$join', ['inner/$join', 'inner-2/$join']],
    ])
  })

  test('allows an alert in a plan about the plan', () => {
    const { nodes } = shortGraph(() =>
      orElse(ping({ url: 'x' }), () => {
        const b = take(1)
        alert.with({ trigger: 'any_failed', after: [b] })({})
        return b
      }),
    )
    expect(nodes.slice(2, 4)).toEqual([
      ['take', ['$gate']],
      ['alert', ['take']],
    ])
  })

  type AnyRef = ReturnType<typeof JSON.parse>
  test.each<[string, (input: AnyRef, x: AnyRef) => unknown, string]>([
    ['a constant as x', () => [1, () => 1], "ref: expected a Ref to a node's value, got 1"],
    [
      'the input as x',
      (input) => [input.url, () => 1],
      "a part of the run's input, which never fails",
    ],
    ['no plan', (_input, x) => [x, undefined], 'plan: expected a function'],
    ['a Ref as plan', (_input, x) => [x, x], 'Ref<ping>: it is no function'],
    ['a constant as y', (_input, x) => [x, () => 'b'], 'the result of plan: expected a Ref'],
    [
      'a promise as y',
      (_input, x) => [x, async () => take(1)],
      'the result of plan: expected a Ref',
    ],
    ['x as y', (_input, x) => [x.a, () => x.b], 'the value of another node than ref'],
    [
      'an alert in the plan about something outside',
      (_input, x) => [
        x,
        () => alert.with({ trigger: 'any_failed', after: [list({ site: 'x' }), x] })({}),
      ],
      "alert: trigger 'any_failed' inside of a plan of orElse() would start it although the plan is not needed",
    ],
  ])('refuses %s', (_name, args, message) => {
    const define = () =>
      flow({ name: 'f', input: z.object({ url: z.string() }) }, (input) => {
        Reflect.apply(orElse, undefined, [...Object.values(args(input, ping({ url: 'x' })) ?? {})])
      })
    expect(define).toThrow(DefinitionError)
    expect(define).toThrow(message)
  })

  test('refuses a value that is put together in the build function', () => {
    const pair = flow({ name: 'pair', input: none }, () => ({ a: take(1), b: take(2) }))
    const define = () => flow({ name: 'f', input: none }, () => orElse(pair({}), () => take(3)))
    expect(define).toThrow('expected a Ref to the value of one node, got Ref<pair>')
  })
})

describe('settled', () => {
  test('makes a node, with the path into the value', () => {
    const { nodes } = shortGraph(() => {
      const x = list({ site: 'x' })
      take([settled(x), settled(x.nested.deep).status])
    })
    expect(nodes.slice(1)).toEqual([
      ['$settled', ['list']],
      ['$settled-2', ['list'], [['nested', 'deep']]],
      ['take', ['$settled', '$settled-2']],
    ])
  })

  test('stands for the node that it tells of where a trigger counts it', () => {
    const { nodes } = shortGraph(() => {
      const x = list({ site: 'x' })
      take.with({ trigger: 'any_failed', after: [x] })({ outcome: settled(x) })
    })
    expect(nodes.at(-1)).toEqual(['take', ['list']])
  })

  test.each([
    ['settled', () => Reflect.apply(settled, undefined, [1])],
    ['orElse', () => Reflect.apply(orElse, undefined, [1, () => 1])],
  ])('%s is refused outside of a build function', (_name, call) => {
    expect(call).toThrow("outside of a flow's build function")
  })
})
