import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { NodeState } from '../../src/core/states.ts'
import type { Graph } from '../../src/flow/graph.ts'
import {
  type EarlierNode,
  executesAnything,
  planRerun,
  startsOf,
} from '../../src/flow/rerun-plan.ts'
import { flow, task } from '../../src/index.ts'
import { firstOf, gate, graphOf, join, node, settledOf } from '../coordinator/graphs.ts'
import { plainRandomRun } from '../coordinator/random-graph.ts'

const STATES: readonly NodeState[] = [
  'pending',
  'ready',
  'running',
  'retrying',
  'waiting',
  'succeeded',
  'failed',
  'skipped',
  'upstream_failed',
  'cancelled',
]

const short: Readonly<Record<string, EarlierNode>> = {
  ok: { state: 'succeeded', forgiven: false },
  bad: { state: 'failed', forgiven: false },
  up: { state: 'upstream_failed', forgiven: false },
  forgiven: { state: 'failed', forgiven: true },
  upForgiven: { state: 'upstream_failed', forgiven: true },
  skip: { state: 'skipped', forgiven: false },
  cancelled: { state: 'cancelled', forgiven: false },
  pending: { state: 'pending', forgiven: false },
}

function earlierOf(
  graph: Graph,
  states: Readonly<Record<string, keyof typeof short>>,
): EarlierNode[] {
  return graph.nodes.map(
    ({ key }) => short[states[key] ?? ''] ?? { state: 'pending', forgiven: false },
  )
}

function planned(graph: Graph, states: Readonly<Record<string, keyof typeof short>>) {
  const earlier = earlierOf(graph, states)
  const plan = planRerun(graph, earlier, 'from-failure')
  const keysOf = (indices: readonly number[]) => indices.map((index) => graph.nodes[index]?.key)
  return {
    actions: Object.fromEntries(
      graph.nodes.map(({ key }, i) => [key, `${plan[i]?.action}: ${plan[i]?.reason}`]),
    ),
    starts: keysOf(startsOf(graph, plan, earlier)),
  }
}

describe('planRerun from the failure', () => {
  test('executes what failed and all that depends on it', () => {
    const { graph } = graphOf([
      node('a'),
      node('b', ['a']),
      node('side', ['a']),
      node('c', ['b', 'side']),
      node('other'),
    ])
    const states = { a: 'ok', b: 'bad', side: 'ok', c: 'up', other: 'cancelled' }
    expect(planned(graph, states)).toEqual({
      actions: {
        a: 'reuse: succeeded',
        b: 'execute: failed',
        side: 'reuse: succeeded',
        c: 'execute: upstream_failed',
        other: 'execute: not_finished',
      },
      starts: ['b', 'other'],
    })
  })

  test('leaves skips, unless a node above executes', () => {
    const { graph } = graphOf([
      node('a'),
      node('b', ['a']),
      node('alert', ['b'], { trigger: 'any_failed' }),
      node('idle', ['a'], { trigger: 'any_failed' }),
    ])
    expect(planned(graph, { a: 'ok', b: 'bad', alert: 'ok', idle: 'skip' }).actions).toEqual({
      a: 'reuse: succeeded',
      b: 'execute: failed',
      alert: 'execute: upstream_executes',
      idle: 'skip: skipped',
    })
  })

  test('keeps a forgiven failure while its plan B is kept', () => {
    const { graph } = graphOf([
      node('x'),
      gate('gate', 'x'),
      node('plan', ['gate']),
      join('value', 'x', 'plan'),
      node('last', ['value']),
    ])
    const kept = { x: 'forgiven', gate: 'ok', plan: 'ok', value: 'ok' }
    expect(planned(graph, { ...kept, last: 'bad' })).toEqual({
      actions: {
        x: 'reuse: forgiven',
        gate: 'reuse: succeeded',
        plan: 'reuse: succeeded',
        value: 'reuse: succeeded',
        last: 'execute: failed',
      },
      starts: ['last'],
    })
  })

  test('executes a forgiven failure that something which executes depends on', () => {
    const { graph } = graphOf([
      node('root'),
      node('x', ['root']),
      gate('gate', 'x'),
      node('plan', ['gate']),
      join('value', 'x', 'plan'),
      node('z', ['x']),
    ])
    const states = { root: 'ok', x: 'forgiven', gate: 'ok', plan: 'ok', value: 'ok', z: 'up' }
    expect(planned(graph, states)).toEqual({
      actions: {
        root: 'reuse: succeeded',
        x: 'execute: needed_by_failed',
        gate: 'execute: upstream_executes',
        plan: 'execute: upstream_executes',
        value: 'execute: upstream_executes',
        z: 'execute: upstream_failed',
      },
      starts: ['x'],
    })
  })

  test('decides virtual nodes anew, and starts none of them', () => {
    const { graph } = graphOf([
      node('a'),
      node('b'),
      settledOf('seen', 'a'),
      firstOf('first', ['a', 'b']),
      node('last', ['seen', 'first']),
    ])
    const states = { a: 'bad', b: 'ok', seen: 'ok', first: 'ok', last: 'ok' }
    const { actions, starts } = planned(graph, states)
    expect(Object.values(actions).filter((action) => action.startsWith('execute'))).toHaveLength(4)
    expect(starts).toEqual(['a'])
  })

  test('starts a fast trigger that has fired already', () => {
    const { graph } = graphOf([
      node('a'),
      node('b'),
      node('quick', ['a', 'b'], { trigger: 'any_success_fast' }),
      node('slow', ['a', 'b'], { trigger: 'any_success' }),
    ])
    expect(planned(graph, { a: 'ok', b: 'bad', quick: 'ok', slow: 'ok' }).starts).toEqual([
      'b',
      'quick',
    ])
  })

  test('of a run in which nothing failed executes nothing', () => {
    const { graph } = graphOf([node('a'), node('b', ['a'], { trigger: 'any_failed' })])
    const plan = planRerun(graph, earlierOf(graph, { a: 'ok', b: 'skip' }), 'from-failure')
    expect(executesAnything(graph, plan)).toBe(false)
  })

  test('refuses a graph with a map, and says what to do', () => {
    const double = task({ name: 'double', input: z.number() }, (n) => n * 2)
    const { graph } = flow({ name: 'mapped', input: z.array(z.number()) }, (numbers) =>
      double.map(numbers),
    )
    expect(() => planRerun(graph, [], 'from-failure')).toThrow(/has a map \(.*the strategy 'all'/)
    const plan = planRerun(graph, [], 'all')
    expect(plan.every(({ action }) => action === 'execute')).toBe(true)
    expect(startsOf(graph, plan, []).map((index) => graph.nodes[index]?.kind)).toEqual(['map'])
  })

  test('keeps whole what it keeps, and executes nothing without a cause', () => {
    const earlier = fc.record({ state: fc.constantFrom(...STATES), forgiven: fc.boolean() })
    fc.assert(
      fc.property(plainRandomRun, fc.infiniteStream(earlier), ({ graph: { graph } }, drawn) => {
        const { nodes } = graph
        const before = nodes.map(() => drawn.next().value as EarlierNode)
        const plan = planRerun(graph, before, 'from-failure')
        const executes = (index: number) => plan[index]?.action === 'execute'
        const hasFailed = (index: number) =>
          ['failed', 'upstream_failed'].includes(before[index]?.state ?? '')
        for (const [index, { upstreams }] of nodes.entries()) {
          const { state, forgiven = false } = before[index] ?? {}
          if (executes(index)) {
            const keptFailures = upstreams.filter((one) => hasFailed(one) && !executes(one))
            expect(keptFailures, 'no failure is left above a node that executes').toEqual([])
          } else {
            expect(upstreams.filter(executes), 'what is kept depends on kept nodes').toEqual([])
            expect(state === 'succeeded' || state === 'skipped' || forgiven).toBe(true)
          }
          const { reason, action } = plan[index] ?? {}
          if (reason === 'upstream_executes') expect(upstreams.some(executes)).toBe(true)
          if (reason === 'needed_by_failed') {
            const dependants = nodes.flatMap((other, i) =>
              other.upstreams.includes(index) ? [i] : [],
            )
            expect(dependants.some(executes) && hasFailed(index)).toBe(true)
          }
          expect(action === 'skip').toBe(!executes(index) && state === 'skipped')
        }
      }),
      { numRuns: 500 },
    )
  })
})

test('planRerun of everything executes every node', () => {
  const { graph } = graphOf([node('a'), node('b', ['a'])])
  const earlier = earlierOf(graph, { a: 'ok', b: 'skip' })
  const plan = planRerun(graph, earlier, 'all')
  expect(plan.map(({ action }) => action)).toEqual(['execute', 'execute'])
  expect(startsOf(graph, plan, earlier)).toEqual([0])
})
