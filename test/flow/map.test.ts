import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { is, not } from '../../src/flow/conditions.ts'
import { flow } from '../../src/flow/flow.ts'
import { firstOf, orElse, settled, succeeded } from '../../src/flow/joins.ts'
import { at } from '../../src/flow/refs.ts'
import { graphOf, shortNodes } from './short-graph.ts'
import { alert, list, ping, take } from './tasks.ts'

const inner = flow({ name: 'inner', input: z.object({ url: z.string() }) }, (input) => {
  const answer = ping({ url: input.url })
  return { text: take(answer.text), url: input.url }
})

describe('task.map', () => {
  test('makes a map, a node for each item, and the group of their results', () => {
    const graph = graphOf((input) =>
      take.map(input.orders, (order, index) => ({ id: order.id, index }), {
        key: (order) => order.id,
        tolerate: 0.1,
        maxItems: 7,
      }),
    )
    expect(graph.nodes).toEqual([
      {
        kind: 'map',
        key: 'take[]',
        items: { ref: 'input', path: ['orders'] },
        itemKey: { ref: 'item:0', path: ['id'] },
        maxItems: 7,
        upstreams: [],
      },
      {
        kind: 'task',
        key: 'take[*]',
        map: 0,
        task: 'take',
        input: {
          obj: { id: { ref: 'item:0', path: ['id'] }, index: { ref: 'index:0', path: [] } },
        },
        trigger: 'all_success',
        upstreams: [],
      },
      { kind: 'group', key: 'take', tolerate: 0.1, upstreams: [0, 1] },
    ])
    expect(graph.output).toEqual({ ref: 2, path: [] })
  })

  test('passes the item itself without a function, and has defaults', () => {
    const { nodes } = graphOf(({ orders }) => [take.map(orders), take.map(orders, { tolerate: 1 })])
    expect(nodes[0]).toMatchObject({ maxItems: 10_000 })
    expect(nodes[0]).not.toHaveProperty('itemKey')
    expect(nodes[1]).toMatchObject({ input: { ref: 'item:0', path: [] } })
    expect(nodes[2]).not.toHaveProperty('tolerate')
    expect(nodes[5]).toMatchObject({ key: 'take-2', tolerate: 1 })
  })

  test('waits for what its items are made of, an array with Refs too', () => {
    const nodes = shortNodes((input) => {
      const { urls } = list({ site: input.site })
      ping.map([at(urls, 0), 'constant'], (url) => ({ url }))
      take.map(urls)
    })
    expect(nodes).toEqual([
      ['list', []],
      ['ping[]', ['list']],
      ['ping[*]', [], 'ping[]'],
      ['ping', ['ping[]', 'ping[*]']],
      ['take[]', ['list']],
      ['take[*]', [], 'take[]'],
      ['take', ['take[]', 'take[*]']],
    ])
  })

  test('has keys as tasks have, under the prefix of an inlined flow', () => {
    const two = flow({ name: 'two', input: z.object({}) }, () => {
      take.map([1])
      take(1)
      take.map([2])
      take.with({ key: 'b' }).map([3])
    })
    expect(graphOf(() => two({})).nodes.map(({ key }) => key)).toEqual([
      ...['two/take[]', 'two/take[*]', 'two/take', 'two/take-2'],
      ...['two/take-3[]', 'two/take-3[*]', 'two/take-3', 'two/b[]', 'two/b[*]', 'two/b'],
    ])
  })

  test('keeps what .with() says of each item', () => {
    const { nodes, graph } = {
      ...graphOf((input) =>
        take.with({ queue: 'slow', priority: 3, delay: 5, retry: 2 }).map(input.orders),
      ),
      graph: flow({ name: 'f', input: z.object({}) }, () =>
        take.with({ retry: 2, timeout: 5 }).map([1]),
      ),
    }
    expect(nodes[1]).toMatchObject({ queue: 'slow', priority: 3, delayMs: 5, maxCrashes: 3 })
    expect(graph.nodes.get('take[*]')).toMatchObject({ timeoutMs: 5 })
  })

  test('lets the map wait for what its function, its condition and its order use from outside', () => {
    const nodes = shortNodes((input) => {
      const rate = take(1)
      const before = alert({})
      const first = list({ site: input.site })
      take
        .with({ key: 'use', if: is(first.title, 'x'), after: [before] })
        .map(input.orders, (order) => ({ order, rate, site: input.site }))
    })
    expect(nodes.slice(3)).toEqual([
      ['use[]', ['take', 'alert', 'list']],
      ['use[*]', [], 'use[]'],
      ['use', ['use[]', 'use[*]']],
    ])
  })

  test('can be waited for, judged, chosen and replaced as a task can', () => {
    const nodes = shortNodes((input) => {
      const group = take.map(input.orders)
      alert.with({ after: [group] })({})
      alert.with({ trigger: 'any_failed', after: [group] })({})
      take(at(group, 0))
      orElse(group, () => take(2))
      firstOf(group, take.with({ if: is(input.site, 'x') })(3))
      take(settled(group))
    })
    expect(nodes.slice(3)).toEqual([
      ['alert', ['take']],
      ['alert-2', ['take']],
      ['take-2', ['take']],
      ['$gate', ['take']],
      ['take-3', ['$gate']],
      ['$join', ['take', 'take-3']],
      ['take-4', []],
      ['$first', ['take', 'take-4']],
      ['$settled', ['take']],
      ['take-5', ['$settled']],
    ])
  })

  test('is what a trigger counts, also where its outcomes are used', () => {
    const nodes = shortNodes((input) => {
      const group = take.map(input.orders)
      take.with({ key: 'sweep', trigger: 'all_done' })(settled(group))
      take.with({ key: 'good', trigger: 'all_done' })(succeeded(settled(group)))
    })
    expect(nodes.slice(4)).toEqual([
      ['sweep', ['take']],
      ['$settled-2', ['take']],
      ['$succeeded', ['$settled-2']],
      ['good', ['$succeeded']],
    ])
  })

  test('counts for succeedsWhen by the key of its group', () => {
    const define = (key: string) =>
      flow({ name: 'f', input: z.object({}), succeedsWhen: [key] }, () => {
        take.map([1])
        alert({})
      })
    expect(define('take').graph.succeedsWhen).toEqual([2])
    expect(() => define('take[*]')).toThrow('of maps (take, alert), got "take[*]"')
    expect(() => define('take[]')).toThrow('got "take[]"')
  })
})

describe('map of the results of a map', () => {
  test('goes on with each item', () => {
    const graph = graphOf((input) => {
      const pages = ping.map(input.orders, ({ id }) => ({ url: id }))
      const texts = take.map(pages, (page, index) => ({ page, index }))
      return list.map(texts, () => ({ site: 'x' }), { tolerate: 1 })
    })
    const [, , , next, group, last, end] = graph.nodes
    expect(next).toMatchObject({
      key: 'take[*]',
      map: 0,
      input: { obj: { page: { ref: 1, path: [] }, index: { ref: 'index:0', path: [] } } },
      upstreams: [1],
    })
    expect(group).toEqual({ kind: 'group', key: 'take', upstreams: [0, 3] })
    // It comes after its item although it doesn't use it.
    expect(last).toMatchObject({ key: 'list[*]', map: 0, input: { lit: { site: 'x' } } })
    expect(last?.upstreams).toEqual([3])
    expect(end).toEqual({ kind: 'group', key: 'list', tolerate: 1, upstreams: [0, 5] })
    expect(graph.nodes).toHaveLength(7)
  })

  test.each([
    ['settled', false],
    ['tolerate', true],
  ])('goes on whatever became of the item, by %s', (_name, isTolerant) => {
    const { nodes } = graphOf((input) => {
      const pages = isTolerant
        ? take.map(input.orders, { tolerate: 2 })
        : settled(take.map(input.orders))
      take.map(pages, (page) => page.status)
    })
    const first = isTolerant ? 3 : 4
    expect(nodes.slice(first)).toMatchObject([
      { kind: 'settled', key: '$settled[*]', map: 0, upstreams: [1] },
      { key: 'take-2[*]', map: 0, input: { ref: first, path: ['status'] }, upstreams: [first] },
      { kind: 'group', key: 'take-2', upstreams: [0, first + 1] },
    ])
  })

  test('waits for all items if it is given another list: a part, or the values that succeeded', () => {
    const nodes = shortNodes((input) => {
      const pages = take.map(input.orders, { tolerate: 2 })
      take.map(succeeded(pages))
      take.map([pages])
    })
    expect(nodes.slice(3)).toEqual([
      ['$succeeded', ['take']],
      ['take-2[]', ['$succeeded']],
      ['take-2[*]', [], 'take-2[]'],
      ['take-2', ['take-2[]', 'take-2[*]']],
      ['take-3[]', ['take']],
      ['take-3[*]', [], 'take-3[]'],
      ['take-3', ['take-3[]', 'take-3[*]']],
    ])
  })

  test('uses from outside what came before the first map', () => {
    const nodes = shortNodes((input) => {
      const rate = alert({})
      const pages = take.map(input.orders)
      take.map(pages, (page) => ({ page, rate }))
    })
    expect(nodes.slice(1, 3)).toEqual([
      ['take[]', ['alert']],
      ['take[*]', [], 'take[]'],
    ])
    const late = () =>
      shortNodes((input) => {
        const pages = take.map(input.orders)
        const rate = alert({})
        take.map(pages, (page) => ({ page, rate }))
      })
    expect(late).toThrow(
      'take[]: a map of its results uses alert, which was called after it. Call that before',
    )
  })

  test('waits for all items in another map and in a plan B, which may need them again or not at all', () => {
    const again = flow({ name: 'again', input: z.object({ all: z.array(z.unknown()) }) }, (input) =>
      take.map(input.all),
    )
    const nodes = shortNodes((input) => {
      const pages = ping.map(input.orders, ({ id }) => ({ url: id }))
      again.map(input.orders, () => ({ all: pages }))
      orElse(alert({}), () => take.map(pages))
    })
    expect(nodes.slice(3)).toEqual([
      ['again[]', ['ping']],
      ['again[*]/take[]', [], 'again[]'],
      ['again[*]/take[*]', [], 'again[*]/take[]'],
      ['again[*]/take', ['again[*]/take[]', 'again[*]/take[*]'], 'again[]'],
      ['again', ['again[]', 'again[*]/take']],
      ['alert', []],
      ['$gate', ['alert']],
      ['take[]', ['ping', '$gate']],
      ['take[*]', [], 'take[]'],
      ['take', ['take[]', 'take[*]']],
      ['$join', ['alert', 'take']],
    ])
  })
})

describe('flow.map', () => {
  test('makes the nodes of the flow once for each item, and ends them with its output', () => {
    const graph = graphOf((input) => inner.map(input.orders, ({ id }) => ({ url: id })))
    expect(graph.nodes).toEqual([
      {
        kind: 'map',
        key: 'inner[]',
        items: { ref: 'input', path: ['orders'] },
        maxItems: 10_000,
        upstreams: [],
      },
      {
        kind: 'task',
        key: 'inner[*]/ping',
        map: 0,
        task: 'ping',
        input: { obj: { url: { ref: 'item:0', path: ['id'] } } },
        trigger: 'all_success',
        upstreams: [],
      },
      {
        kind: 'task',
        key: 'inner[*]/take',
        map: 0,
        task: 'take',
        input: { ref: 1, path: ['text'] },
        trigger: 'all_success',
        upstreams: [1],
      },
      {
        kind: 'item',
        key: 'inner[*]/$item',
        map: 0,
        output: {
          obj: { text: { ref: 2, path: [] }, url: { ref: 'item:0', path: ['id'] } },
        },
        upstreams: [2],
      },
      { kind: 'group', key: 'inner', upstreams: [0, 3] },
    ])
  })

  test.each<[string, () => unknown, unknown[]]>([
    ['its last node', () => take(list({ site: 'x' })), ['g[*]/take']],
    ['a join', () => orElse(list({ site: 'x' }), () => take(1)), ['g[*]/$join']],
    ['a group', () => take.map([1]), ['g[*]/take']],
    ['a part of a node', () => list({ site: 'x' }).title, ['g[*]/$item', ['g[*]/list']]],
    ['nothing', () => void take(1), ['g[*]/$item', ['g[*]/take']]],
    [
      'a node that another one waits for',
      () => {
        const x = list({ site: 'x' })
        take(x)
        return x
      },
      ['g[*]/$item', ['g[*]/list', 'g[*]/take']],
    ],
    [
      'one of two',
      () => {
        alert({})
        return take(1)
      },
      ['g[*]/$item', ['g[*]/alert', 'g[*]/take']],
    ],
  ])('ends with %s', (_name, build, [key, upstreams]) => {
    const g = flow({ name: 'g', input: z.unknown() }, build)
    const { nodes } = graphOf((input) => g.map(input.orders))
    const end = nodes[nodes.at(-1)?.upstreams[1] ?? -1]
    expect(end?.key).toBe(key)
    if (upstreams) expect(end?.upstreams.map((index) => nodes[index]?.key)).toEqual(upstreams)
  })

  test('takes every construct, and lets its own map wait for what comes from outside', () => {
    const all = flow(
      {
        name: 'all',
        input: z.object({ id: z.string(), lines: z.array(z.number()), rate: z.unknown() }),
      },
      (input) => {
        const a = list({ site: input.id })
        const b = orElse(a.title, (failure) => take({ failure, rate: input.rate }))
        const c = take.with({ if: is(a.title, 'x'), key: 'c' })(b)
        const d = take.with({ if: not(is(a.title, 'x')), key: 'd' })(input.rate)
        alert.with({ trigger: 'any_failed', after: [a] })({})
        const lines = take
          .with({ key: 'line' })
          .map(input.lines, (line) => [line, a.title, input.rate])
        inner({ url: a.title })
        return { first: firstOf(c, d), lines, outcome: settled(b) }
      },
    )
    const nodes = shortNodes((input) => {
      const rate = take.with({ key: 'rate' })(1)
      all.map(input.orders, ({ id, lines }) => ({ id, lines, rate }))
    })
    const map = 'all[]'
    expect(nodes).toEqual([
      ['rate', []],
      ['all[]', ['rate']],
      ['all[*]/list', [], map],
      ['all[*]/$gate', ['all[*]/list'], map],
      ['all[*]/take', ['all[*]/$gate'], map],
      ['all[*]/$join', ['all[*]/list', 'all[*]/take'], map],
      ['all[*]/c', ['all[*]/list', 'all[*]/$join'], map],
      ['all[*]/d', ['all[*]/list'], map],
      ['all[*]/alert', ['all[*]/list'], map],
      ['all[*]/line[]', ['all[*]/list'], map],
      ['all[*]/line[*]', [], 'all[*]/line[]'],
      ['all[*]/line', ['all[*]/line[]', 'all[*]/line[*]'], map],
      ['all[*]/inner/ping', ['all[*]/list'], map],
      ['all[*]/inner/take', ['all[*]/inner/ping'], map],
      ['all[*]/$first', ['all[*]/c', 'all[*]/d'], map],
      ['all[*]/$settled', ['all[*]/$join'], map],
      [
        'all[*]/$item',
        ['all[*]/alert', 'all[*]/line', 'all[*]/inner/take', 'all[*]/$first', 'all[*]/$settled'],
        map,
      ],
      ['all', [map, 'all[*]/$item']],
    ])
  })

  test('goes on with each item of a map, from its first nodes on', () => {
    const pair = flow({ name: 'pair', input: z.object({ text: z.string() }) }, (input) => {
      alert({})
      return take(input.text)
    })
    const nodes = shortNodes((input) => {
      const pages = ping.map(input.orders, ({ id }) => ({ url: id }))
      pair.with({ key: 'next' }).map(pages, { tolerate: 1 })
    })
    expect(nodes.slice(3)).toEqual([
      ['next[*]/alert', ['ping[*]'], 'ping[]'],
      ['next[*]/take', ['ping[*]'], 'ping[]'],
      ['next[*]/$item', ['next[*]/alert', 'next[*]/take'], 'ping[]'],
      ['next', ['ping[]', 'next[*]/$item']],
    ])
  })

  test('gives its own options to its nodes', () => {
    const slow = flow({ name: 'slow', input: z.unknown(), queue: 'slow', retry: 4 }, () => take(1))
    const outer = flow({ name: 'outer', input: z.object({}) }, () => slow.map([1]))
    expect(outer.graph.nodes[1]).toMatchObject({ queue: 'slow' })
    expect(outer.nodes.get('slow[*]/take')?.flowRetry).toMatchObject({ spec: { maxRetries: 4 } })
  })
})

describe('a plan B', () => {
  test('lets its maps wait for the failure, and nothing inside of them', () => {
    const nodes = shortNodes((input) =>
      orElse(alert({}), (failure) => {
        const fixed = take.map(input.orders, (order) => ({ order, why: failure.error.message }))
        const more = inner.map(input.orders, ({ id }) => ({ url: id }))
        take.map(fixed)
        return take.with({ key: 'end' })([fixed, succeeded(settled(more))])
      }),
    )
    expect(nodes.slice(2)).toEqual([
      ['take[]', ['$gate']],
      ['take[*]', [], 'take[]'],
      ['take', ['take[]', 'take[*]']],
      ['inner[]', ['$gate']],
      ['inner[*]/ping', [], 'inner[]'],
      ['inner[*]/take', ['inner[*]/ping'], 'inner[]'],
      ['inner[*]/$item', ['inner[*]/take'], 'inner[]'],
      ['inner', ['inner[]', 'inner[*]/$item']],
      ['take-2[*]', ['take[*]'], 'take[]'],
      ['take-2', ['take[]', 'take-2[*]']],
      ['$settled', ['inner']],
      ['$succeeded', ['$settled']],
      ['end', ['take', '$succeeded']],
      ['$join', ['alert', 'end']],
    ])
  })

  test('lets triggers react to a map of the plan', () => {
    const nodes = shortNodes((input) =>
      orElse(alert({}), () => {
        const fixed = take.map(input.orders)
        list.with({ trigger: 'any_failed', after: [fixed] })({ site: 'x' })
        return fixed
      }),
    )
    expect(nodes[5]).toEqual(['list', ['take']])
  })
})
