import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { compileGraph } from '../../src/flow/compile.ts'
import { flow } from '../../src/flow/flow.ts'
import type { Graph } from '../../src/flow/graph.ts'
import { orElse, settled } from '../../src/flow/joins.ts'
import { task } from '../../src/flow/task.ts'
import { alert, list, ping, take } from './tasks.ts'

const sample = flow({ name: 'sample', input: z.object({ url: z.string() }) }, (input) => {
  const x = ping({ url: input.url })
  const y = orElse(x, (failure) => ping({ url: failure.error.message }))
  const outcome = settled(y)
  alert.with({ trigger: 'any_failed', after: [x, y] })({})
  const end = take.with({ delay: '2s', after: [x] })([input.url, outcome, y])
  return { end, url: input.url }
})

describe('compileGraph', () => {
  const compiled = compileGraph(sample.graph)

  test('writes the contract with the scripts', () => {
    expect(sample.graph.nodes.map((node) => node.key)).toEqual([
      'ping', // 0
      '$gate', // 1
      'ping-2', // 2
      '$join', // 3
      '$settled', // 4
      'alert', // 5
      'take', // 6
    ])
    expect(compiled.dependants).toEqual([
      '1.1.G.0.0,3.2.J.0.0,5.2.f.0.0,6.3.s.2000.0',
      '2.1.s.0.0',
      '3.2.J.0.0',
      '4.1.D.0.0,5.2.f.0.0,6.3.s.2000.0',
      '6.3.s.2000.0',
      '',
      '',
    ])
    expect(compiled.needs).toEqual(['i', '0', '0,1', '0,2', '0,2,3', '', 'i,0,2,3,4'])
    expect(compiled.outputSources).toEqual({ input: true, nodes: [6], hasGroups: false, items: [] })
    expect(compiled.roots).toEqual([0])
  })

  test('stores only fields that say something', () => {
    const fields = compiled.fields
    const pairs = fields.flatMap((field, i) => (i % 2 === 0 ? [[field, fields[i + 1]]] : []))
    expect(pairs[0]).toEqual(['json', compiled.json])
    expect(pairs.slice(1)).toEqual([
      ['d0', '1.1.G.0.0,3.2.J.0.0,5.2.f.0.0,6.3.s.2000.0'],
      ['n0', 'i'],
      ['d1', '2.1.s.0.0'],
      ['u1', '0'],
      ['n1', '0'],
      ['d2', '3.2.J.0.0'],
      ['u2', '1'],
      ['n2', '0,1'],
      ['d3', '4.1.D.0.0,5.2.f.0.0,6.3.s.2000.0'],
      ['u3', '0,2'],
      ['r3', 'J'],
      ['n3', '0,2'],
      ['d4', '6.3.s.2000.0'],
      ['u4', '3'],
      ['n4', '0,2,3'],
      ['u5', '0,3'],
      ['u6', '0,3,4'],
      ['n6', 'i,0,2,3,4'],
    ])
  })

  test('finds nodes by key', () => {
    expect(compiled.indexOf('ping-2')).toBe(2)
    expect(compiled.indexOf('toString')).toBeUndefined()
  })
})

describe('the content hash', () => {
  const define = (options: object, a: unknown = { x: 1, y: { b: 1, a: 2 } }) =>
    flow({ name: 'f', input: z.object({}), ...options }, () =>
      take.with({ retry: 3, timeout: 10 })(a),
    ).graph

  test('is pinned, so that a change of the stored form is noticed', () => {
    const graph: Graph = define({})
    expect(compileGraph(graph).json).toBe(
      '{"flow":"f","nodes":[{"input":{"lit":{"x":1,"y":{"a":2,"b":1}}},"key":"take","kind":"task","maxCrashes":3,"task":"take","trigger":"all_success","upstreams":[]}],"output":{"path":[],"ref":0},"v":1}',
    )
    expect(compileGraph(graph).hash).toBe('YtvbKR9SjNRKWvT1')
  })

  test('is the same for the same graph', () => {
    const { hash, json } = compileGraph(define({}))
    const same = [
      define({}),
      define({ retry: 5, queue: 'q', priority: 1 }),
      define({}, { y: { a: 2, b: 1 }, x: 1 }),
      JSON.parse(json),
    ]
    expect(same.map((graph) => compileGraph(graph).hash)).toEqual(same.map(() => hash))
  })

  test('has the lock of a node in it, but not that of a task, which workers look up', () => {
    const locked = task({ name: 'take', input: z.unknown(), lock: () => 'a' }, () => null)
    const without = task({ name: 'take', input: z.unknown() }, () => null)
    const graphOf = (call: typeof locked) =>
      compileGraph(flow({ name: 'f', input: z.object({}) }, () => call({})).graph)
    const own = compileGraph(
      flow({ name: 'f', input: z.object({}) }, () => locked.with({ lock: 'b' })({})).graph,
    )
    expect(graphOf(locked).hash).toBe(graphOf(without).hash)
    expect(own.hash).not.toBe(graphOf(locked).hash)
    expect(own.json).toContain('"lock":"b"')
  })

  test('is another one for another graph', () => {
    const graphs = [
      define({}),
      define({ name: 'g' }),
      define({}, 1),
      flow({ name: 'f', input: z.object({}) }, () => list({ site: 'x' })).graph,
    ]
    expect(new Set(graphs.map((graph) => compileGraph(graph).hash)).size).toBe(graphs.length)
  })
})
