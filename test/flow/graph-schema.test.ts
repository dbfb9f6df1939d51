import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { RepriseError } from '../../src/core/errors.ts'
import { compileGraph } from '../../src/flow/compile.ts'
import { flow } from '../../src/flow/flow.ts'
import { parseGraph } from '../../src/flow/graph-schema.ts'
import { orElse } from '../../src/flow/joins.ts'
import { ping, take } from './tasks.ts'

const { graph } = flow({ name: 'f', input: z.object({ url: z.string() }) }, (input) => {
  const x = ping.with({ queue: 'q', priority: 0, delay: 5 })({ url: input.url })
  return [orElse(x.text, () => take({ a: [x, null] })), 1]
})

const x = {
  kind: 'task',
  key: 'x',
  task: 'x',
  input: { lit: 1 },
  trigger: 'all_success',
  upstreams: [],
}
const at0 = { ref: 0, path: [] }

describe('parseGraph', () => {
  test('reads what compileGraph wrote', () => {
    const read = parseGraph(compileGraph(graph).json, 'graph:1')
    expect(read).toStrictEqual(graph)
    expect(compileGraph(read).hash).toBe(compileGraph(graph).hash)
    expect(Object.isFrozen(read.nodes[0])).toBe(true)
  })

  test.each<[string, unknown, string]>([
    [
      'a newer version',
      { v: 2 },
      'graph:1: the graph has version 2, this process reads up to 1: update',
    ],
    ['no graph', [], 'no graph'],
    ['nothing', null, 'no graph'],
    ['no nodes', { nodes: [] }, 'nodes'],
    ['an unknown kind', { nodes: [{ ...x, kind: 'loop' }] }, 'nodes[0].kind'],
    ['an unknown trigger', { nodes: [{ ...x, trigger: 'never' }] }, 'nodes[0].trigger'],
    ['an unknown field', { nodes: [{ ...x, locks: 'a' }] }, 'locks'],
    ['an empty lock', { nodes: [{ ...x, lock: '' }] }, 'nodes[0].lock'],
    ['a template of no kind', { nodes: [{ ...x, input: {} }] }, 'nodes[0].input'],
    ['a repeated key', { nodes: [x, x] }, 'x: is the key of two nodes'],
    ['a bad key', { nodes: [{ ...x, key: 'a//b' }] }, 'a//b: is no node key'],
    [
      'itself as upstream',
      { nodes: [{ ...x, upstreams: [0] }] },
      'x: has an upstream that does not come before it',
    ],
    [
      'a repeated upstream',
      { nodes: [x, { ...x, key: 'y', upstreams: [0, 0] }] },
      'y: has an upstream twice',
    ],
    [
      'disordered upstreams',
      { nodes: [x, { ...x, key: 'y' }, { ...x, key: 'z', upstreams: [1, 0] }] },
      'z: has upstreams that are not ascending',
    ],
    [
      'an input from elsewhere',
      { nodes: [x, { ...x, key: 'y', input: at0 }] },
      'y: has an input from a node that is not among its upstreams',
    ],
    [
      'any_failed of nothing',
      { nodes: [{ ...x, trigger: 'any_failed' }] },
      'x: has a trigger but no upstreams',
    ],
    [
      'a gate of nothing',
      { nodes: [x, { kind: 'gate', key: '$gate', upstreams: [] }] },
      '$gate: expected one upstream',
    ],
    [
      'a join of one',
      { nodes: [x, { kind: 'join', key: '$join', upstreams: [0] }] },
      '$join: expected two upstreams or more',
    ],
    [
      'too many paths',
      { nodes: [x, { kind: 'settled', key: '$settled', upstreams: [0], paths: [[], []] }] },
      '$settled: expected one path',
    ],
    ['an output from nowhere', { output: { ref: 1, path: [] } }, 'output: refers to node 1 of 1'],
  ])('refuses %s', (_name, change, message) => {
    const isPart = typeof change === 'object' && change !== null && !Array.isArray(change)
    const data = isPart ? { v: 1, flow: 'f', nodes: [x], output: at0, ...change } : change
    const read = () => parseGraph(JSON.stringify(data), 'graph:1')
    expect(read).toThrow(RepriseError)
    expect(read).toThrow(message)
  })

  test('refuses a broken text', () => {
    expect(() => parseGraph('{', 'graph:1')).toThrow('graph:1: is not valid JSON')
  })
})
