import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { RepriseError } from '../../src/core/errors.ts'
import { compileGraph } from '../../src/flow/compile.ts'
import { flow } from '../../src/flow/flow.ts'
import type { GraphNode } from '../../src/flow/graph.ts'
import { parseGraph } from '../../src/flow/graph-schema.ts'
import { settled, succeeded } from '../../src/flow/joins.ts'
import { ping, take } from './tasks.ts'

const inner = flow(
  { name: 'inner', input: z.object({ url: z.string(), rate: z.number() }) },
  (input) => {
    const answer = ping({ url: input.url })
    return { lines: take.map([1], (one) => [one, answer, input.rate]), text: answer.text }
  },
)

const { graph } = flow({ name: 'f', input: z.object({ urls: z.array(z.string()) }) }, (input) => {
  const rate = take.with({ key: 'rate' })(1)
  const all = inner.map(input.urls, (url) => ({ url, rate: rate as never }), { key: (url) => url })
  take.with({ key: 'next' }).map(all)
  return succeeded(settled(all))
})

type Change = { readonly [field: string]: unknown }

/** The graph with some of its nodes changed. */
function changed(changes: { readonly [key: string]: Change }, more: Change = {}): string {
  const nodes = graph.nodes.map((node) => ({ ...node, ...changes[node.key] }))
  return JSON.stringify({ ...graph, nodes, ...more })
}

const indexOf = (key: string) => graph.nodes.findIndex((node) => node.key === key)
const ref = (source: number | string) => ({ ref: source, path: [] })

describe('parseGraph', () => {
  test('reads a graph with maps as it was written', () => {
    expect(graph.nodes.map(({ key }: GraphNode) => key)).toEqual([
      'rate',
      'inner[]',
      'inner[*]/ping',
      'inner[*]/take[]',
      'inner[*]/take[*]',
      'inner[*]/take',
      'inner[*]/$item',
      'inner',
      'next[*]',
      'next',
      '$settled',
      '$succeeded',
    ])
    expect(parseGraph(compileGraph(graph).json, 'graph')).toStrictEqual(graph)
  })

  test.each<[string, string, Change, string]>([
    ['a body of no map', 'inner[*]/ping', { map: 0 }, 'is in the body of node 0, which is no map'],
    ['a body of itself', 'inner[]', { map: 1 }, 'is in the body of node 1, which is no map that'],
    ['a body of a later map', 'rate', { map: 1 }, 'is in the body of node 1, which is no map that'],
    ['a body of nothing', 'inner[*]/ping', { map: 99 }, 'is in the body of node 99, which is no'],
    [
      'an upstream outside of the body',
      'inner[*]/ping',
      { upstreams: [0] },
      'has an upstream in the body of another map',
    ],
    [
      'an upstream inside of a body',
      '$settled',
      { upstreams: [2] },
      'has an upstream in the body of another map',
    ],
    [
      'a group of no map',
      'inner',
      { upstreams: [0, 6] },
      'expected a map, and a node of its body, as upstreams',
    ],
    [
      "a group with another map's outcome",
      'inner',
      { upstreams: [1, 4] },
      'expected a map, and a node of its body, as upstreams',
    ],
    [
      'a group outside of its place',
      'inner[*]/take',
      { key: 'x', map: undefined },
      'expected a map, and a node of its body, as upstreams',
    ],
    ['a group of one', 'inner', { upstreams: [1] }, 'nodes[7].upstreams'],
    ['a bad tolerance', 'inner', { tolerate: 1.5 }, 'expected a tolerance'],
    ['too many items', 'inner[]', { maxItems: 65_536 }, 'nodes[1].maxItems'],
    ['no items', 'inner[]', { maxItems: 0 }, 'nodes[1].maxItems'],
    ['an item without nodes', 'inner[*]/$item', { upstreams: [] }, 'expected one upstream or more'],
    [
      'disordered upstreams of an item',
      'inner[*]/$item',
      { upstreams: [5, 2] },
      'has upstreams that are not ascending',
    ],
    [
      'an item that uses what it does not wait for',
      'inner[*]/$item',
      { upstreams: [5] },
      'has an input from a node that is not among its upstreams',
    ],
    [
      'a map that does not wait for what is used in its body',
      'inner[]',
      { upstreams: [] },
      'inner[*]/take[*]: has an input from a node that the map around does not wait for',
    ],
    [
      'a map that does not wait for its items',
      'inner[]',
      { items: ref(0), upstreams: [] },
      'inner[]: has an input from a node that is not among its upstreams',
    ],
    [
      'a trigger that uses what comes from outside',
      'next[*]',
      { trigger: 'all_done', input: ref(0) },
      'next[*]: has an input from a node that the map around does not wait for',
    ],
    [
      "another map's item",
      'inner[*]/ping',
      { input: ref('item:3') },
      'refers to item:3 inside of a map',
    ],
    ['the item of no map', 'inner[*]/ping', { input: ref('item:0') }, 'refers to item:0 inside'],
    ['the item of no node', 'inner[*]/ping', { input: ref('item:99') }, 'refers to node 99 of 12'],
    ['a bad item', 'inner[*]/ping', { input: ref('item:01') }, 'nodes[2].input'],
    ['an unknown source', 'inner[*]/ping', { input: ref('key:1') }, 'nodes[2].input'],
    [
      'an item outside',
      'rate',
      { input: ref('index:1') },
      'rate: refers to index:1 inside of a map',
    ],
    ['a node inside of a map', 'rate', { input: ref(2) }, 'rate: refers to node 2 inside of a map'],
    [
      'an item key of something else',
      'inner[]',
      { itemKey: ref(0) },
      'expected an item key that is made of the item and its index',
    ],
    [
      'an item key of the input',
      'inner[]',
      { itemKey: ref('input') },
      'expected an item key that is made of the item and its index',
    ],
    ['a key without the mark', 'next[*]', { key: 'x' }, 'expected 1 times [*] in its key, got 0'],
    [
      'a key with too many marks',
      'next[*]',
      { key: 'x[*]/y[*]' },
      'expected 1 times [*] in its key, got 2',
    ],
    ['a mark outside', 'next', { key: 'x[*]' }, 'expected 0 times [*] in its key, got 1'],
    [
      'a map without its mark',
      'inner[]',
      { key: 'x' },
      'expected [] at the end of the key of a map',
    ],
    ['a mark of a map elsewhere', 'rate', { key: 'x[]' }, 'expected [] at the end of the key of a'],
    ['an unfinished mark', 'next[*]', { key: 'x[*' }, 'x[*: is no node key'],
    [
      'succeeded of what is not settled',
      '$succeeded',
      { upstreams: [7] },
      'expected one upstream, the settled items of a map',
    ],
    [
      'succeeded of a part',
      '$succeeded',
      { paths: [[0]] },
      'expected one upstream, the settled items of a map',
    ],
    [
      'an item outside of a map',
      '$settled',
      { kind: 'item', output: ref(7) },
      '$settled: expected a map around it',
    ],
  ])('refuses %s', (_name, key, change, message) => {
    expect(indexOf(key)).not.toBe(-1)
    const read = () => parseGraph(changed({ [key]: change }), 'graph')
    expect(read).toThrow(RepriseError)
    expect(read).toThrow(message)
  })

  test.each<[string, Change, string]>([
    ['an output inside of a map', { output: ref(2) }, 'output: refers to node 2 inside of a map'],
    ['an item as output', { output: ref('item:1') }, 'output: refers to item:1 inside of a map'],
    ['a decisive node inside of a map', { succeedsWhen: [2] }, 'succeedsWhen: names node 2 of 12'],
  ])('refuses %s', (_name, change, message) => {
    expect(() => parseGraph(changed({}, change), 'graph')).toThrow(message)
  })

  test('refuses more items than can be numbered', () => {
    const deep = (n: number) =>
      flow({ name: 'deep', input: z.unknown() }, () => {
        const one = flow({ name: 'one', input: z.unknown() }, () => take.map([1], { maxItems: n }))
        const two = flow({ name: 'two', input: z.unknown() }, () => one.map([1], { maxItems: n }))
        return two.map([1], { maxItems: n })
      })
    const json = compileGraph(deep(5).graph).json.replaceAll('"maxItems":5', '"maxItems":65535')
    expect(() => parseGraph(json, 'graph')).toThrow(
      /its maps could have \d+ items; \d+ are possible/,
    )
  })
})
