import { describe, expect, test } from 'vitest'
import type { Failure } from '../../src/core/failure.ts'
import type { Json } from '../../src/core/json.ts'
import { compileGraph } from '../../src/flow/compile.ts'
import type { GraphNode } from '../../src/flow/graph.ts'
import { type NodeOutcome, nodeValue } from '../../src/flow/values.ts'
import { knownOf } from './known-values.ts'

const failure: Failure = {
  kind: 'error',
  error: { name: 'HttpError', names: ['HttpError', 'Error'], message: 'no' },
}

const stored: Json = JSON.parse(JSON.stringify(failure))

function taskNode(key: string): GraphNode {
  return { kind: 'task', key, task: key, input: { lit: 1 }, trigger: 'all_success', upstreams: [] }
}

const graph = compileGraph({
  v: 1,
  flow: 'f',
  nodes: [
    taskNode('x'),
    taskNode('y'),
    { kind: 'gate', key: '$gate', upstreams: [0] },
    { kind: 'join', key: '$join', upstreams: [0, 1], paths: [['a', 'b'], []] },
    { kind: 'settled', key: '$settled', upstreams: [0], paths: [['a']] },
    { kind: 'join', key: '$join-2', upstreams: [3, 2] },
    { kind: 'settled', key: '$settled-2', upstreams: [3] },
  ],
  output: { lit: null },
})

const done = (value?: Json): NodeOutcome => ({
  state: 'succeeded',
  ...(value !== undefined && { value }),
})
const failed: NodeOutcome = { state: 'failed', failure }
const upstreamFailed: NodeOutcome = { state: 'upstream_failed', failure }
const skipped: NodeOutcome = { state: 'skipped' }

describe('nodeValue', () => {
  const x = done({ a: { b: 1 } })
  test.each<[string, number, Record<number, NodeOutcome>, Json | undefined]>([
    ['what a task returned', 0, { 0: x }, { a: { b: 1 } }],
    ['nothing of a failed task', 0, { 0: failed }, undefined],
    ['nothing of an unknown node', 0, {}, undefined],
    ['nothing of a node that is not there', 9, { 9: x }, undefined],
    ['the failure behind a gate', 2, { 0: failed, 2: done() }, stored],
    ['the cause behind a gate', 2, { 0: upstreamFailed, 2: done() }, stored],
    ['nothing behind a closed gate', 2, { 0: x, 2: skipped }, undefined],
    ['the first side of a join', 3, { 0: x, 1: skipped, 3: done() }, 1],
    ['the second side of a join', 3, { 0: failed, 1: done('b'), 3: done() }, 'b'],
    ['the first of two successes', 3, { 0: x, 1: done('b'), 3: done() }, 1],
    ['nothing of a failed join', 3, { 0: failed, 1: failed, 3: upstreamFailed }, undefined],
    ['a success', 4, { 0: x, 4: done() }, { status: 'succeeded', value: { b: 1 } }],
    ['a failure', 4, { 0: failed, 4: done() }, { status: 'failed', error: stored }],
    [
      'a failure above',
      4,
      { 0: upstreamFailed, 4: done() },
      { status: 'upstream_failed', error: stored },
    ],
    ['a skip', 4, { 0: skipped, 4: done() }, { status: 'skipped', error: null }],
    ['a cancel', 4, { 0: { state: 'cancelled' }, 4: done() }, { status: 'cancelled', error: null }],
    ['a join of a join', 5, { 0: x, 1: skipped, 2: skipped, 3: done(), 5: done() }, 1],
    ['a join of a gate', 5, { 0: failed, 1: failed, 2: done(), 3: failed, 5: done() }, stored],
    [
      'the outcome of a join',
      6,
      { 0: failed, 1: done('b'), 3: done(), 6: done() },
      { status: 'succeeded', value: 'b' },
    ],
  ])('gives %s', (_name, index, outcomes, expected) => {
    expect(nodeValue(graph, index, knownOf(outcomes))).toEqual(expected)
  })
})
