import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Json } from '../../src/core/json.ts'
import { type CompiledGraph, compileGraph } from '../../src/flow/compile.ts'
import type { Graph, GraphNode } from '../../src/flow/graph.ts'
import { parseGraph } from '../../src/flow/graph-schema.ts'
import { nodesOf, sourcesOf } from '../../src/flow/templates.ts'
import { fillTemplate, type NodeOutcome, nodeValue } from '../../src/flow/values.ts'
import { knownOf } from './known-values.ts'
import { arbitrarySteps, arbitraryStepsWithMaps, buildRandomFlow } from './random-flow.ts'
import { type Precedence, runModel } from './run-model.ts'

const RUN_INPUT: Json = { url: 'x' }
const precedences: Precedence[] = ['failure first', 'skip first']

const arbitraryRun = fc.record({
  steps: arbitrarySteps,
  failing: fc.uniqueArray(fc.nat({ max: 25 }), { maxLength: 6 }),
  precedence: fc.constantFrom(...precedences),
})

/** The tasks that were started. */
function startedTasks(graph: Graph, outcomes: readonly NodeOutcome[]): number[] {
  return graph.nodes.flatMap((node, index) => {
    const state = outcomes[index]?.state
    return node.kind === 'task' && (state === 'succeeded' || state === 'failed') ? [index] : []
  })
}

/** A node's input, made from nothing but the nodes that are listed. */
function inputFrom(
  graph: CompiledGraph,
  index: number,
  outcomes: readonly NodeOutcome[],
  listed: (index: number) => boolean,
): Json | undefined {
  const node = graph.graph.nodes[index]
  if (node?.kind !== 'task') return undefined
  const heard = Object.fromEntries([...outcomes.entries()].filter(([k]) => listed(k)))
  return fillTemplate(
    graph,
    graph.instances.locate(index),
    node.input,
    knownOf(heard, { input: RUN_INPUT }),
  )
}

function listOf(encoded: string | undefined): string[] {
  return encoded ? encoded.split(',') : []
}

function upstreamsByDependants(compiled: CompiledGraph): number[][] {
  const upstreams = compiled.graph.nodes.map((): number[] => [])
  for (const [k, encoded] of compiled.dependants.entries()) {
    for (const entry of listOf(encoded)) upstreams[Number(entry.split('.')[0])]?.push(k)
  }
  return upstreams
}

describe('any flow', () => {
  test('is read back as it was stored', () => {
    fc.assert(
      fc.property(arbitrarySteps, (steps) => {
        const { defined } = buildRandomFlow(steps)
        const { json, hash } = compileGraph(defined.graph)
        expect(parseGraph(json, 'graph')).toStrictEqual(defined.graph)
        expect(compileGraph(buildRandomFlow(steps).defined.graph).hash).toBe(hash)
      }),
    )
  })

  test('has dependants that mirror its upstreams', () => {
    fc.assert(
      fc.property(arbitrarySteps, (steps) => {
        const { graph } = buildRandomFlow(steps).defined
        const compiled = compileGraph(graph)
        const expected = graph.nodes.map((node) => [...node.upstreams].sort((a, b) => a - b))
        expect(upstreamsByDependants(compiled)).toEqual(expected)
        expect(compiled.roots).toEqual(
          expected.flatMap((upstreams, k) => (upstreams.length === 0 ? [k] : [])),
        )
        for (const encoded of compiled.dependants.flatMap(listOf)) {
          const [j, fanIn] = encoded.split('.').map(Number)
          expect(fanIn).toBe(graph.nodes[j ?? -1]?.upstreams.length)
        }
      }),
    )
  })

  test('never starts a plan B unless its x failed', () => {
    fc.assert(
      fc.property(arbitraryRun, ({ steps, failing, precedence }) => {
        const { defined, plans } = buildRandomFlow(steps)
        const outcomes = runModel(defined.graph, (k) => failing.includes(k), precedence)
        const started = startedTasks(defined.graph, outcomes)
        for (const { gate, join } of plans) {
          if (outcomes[gate]?.state === 'succeeded') continue
          expect(started.filter((k) => k > gate && k < join)).toEqual([])
        }
      }),
      { numRuns: 2_000 },
    )
  })

  test('has every value that a task needs when it starts, and lists where it is', () => {
    fc.assert(
      fc.property(arbitraryRun, ({ steps, failing, precedence }) => {
        const { graph } = buildRandomFlow(steps).defined
        const compiled = compileGraph(graph)
        const { needs } = compiled
        const outcomes = runModel(graph, (k) => failing.includes(k), precedence)
        for (const index of startedTasks(graph, outcomes)) {
          const node = graph.nodes[index]
          const listed = new Set(listOf(needs[index]))
          const input = inputFrom(compiled, index, outcomes, (k) => listed.has(String(k)))
          expect(input).toEqual(inputFrom(compiled, index, outcomes, () => true))
          for (const source of node?.kind === 'task' ? sourcesOf(node.input) : []) {
            if (source === 'input') expect(listed).toContain('i')
            else expect(nodeValue(compiled, Number(source), knownOf(outcomes))).toBeDefined()
          }
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('any flow with maps', () => {
  const arbitraryRunWithMaps = fc.record({
    steps: arbitraryStepsWithMaps,
    failing: fc.uniqueArray(fc.nat({ max: 40 }), { maxLength: 6 }),
    precedence: fc.constantFrom(...precedences),
  })

  test('is read back as it was stored: what is defined passes every check of the structure', () => {
    fc.assert(
      fc.property(arbitraryStepsWithMaps, (steps) => {
        const { graph } = buildRandomFlow(steps).defined
        expect(parseGraph(compileGraph(graph).json, 'graph')).toStrictEqual(graph)
      }),
      { numRuns: 300 },
    )
  })

  test('never starts a plan B unless its x failed', () => {
    fc.assert(
      fc.property(arbitraryRunWithMaps, ({ steps, failing, precedence }) => {
        const { defined, plans } = buildRandomFlow(steps)
        const outcomes = runModel(defined.graph, (k) => failing.includes(k), precedence)
        for (const { gate, join } of plans) {
          if (outcomes[gate]?.state === 'succeeded') continue
          const started = [...outcomes.keys()].filter((k) => k > gate && k < join && hasRun(k))
          expect(started).toEqual([])
        }
        function hasRun(k: number): boolean {
          const { kind } = defined.graph.nodes[k] ?? {}
          const { state } = outcomes[k] ?? {}
          return (
            (kind === 'task' || kind === 'map') && (state === 'succeeded' || state === 'failed')
          )
        }
      }),
      { numRuns: 250 },
    )
  })

  test('has every value that a node needs when it starts', () => {
    fc.assert(
      fc.property(arbitraryRunWithMaps, ({ steps, failing, precedence }) => {
        const { nodes } = buildRandomFlow(steps).defined.graph
        const outcomes = runModel({ nodes }, (k) => failing.includes(k), precedence)
        for (const [index, node] of nodes.entries()) {
          if (outcomes[index]?.state !== 'succeeded' && outcomes[index]?.state !== 'failed')
            continue
          const template = node.kind === 'task' ? node.input : node.kind === 'map' && node.items
          for (const source of template ? nodesOf(template) : []) {
            expect(outcomes[source]?.state).toBe('succeeded')
          }
        }
      }),
      { numRuns: 300 },
    )
  })

  test('starts what is done with an item after what made it', () => {
    fc.assert(
      fc.property(arbitraryStepsWithMaps, (steps) => {
        const { nodes } = buildRandomFlow(steps).defined.graph
        const firstOf = new Map<number, { readonly group: number; readonly outcome: number }>()
        for (const [group, node] of nodes.entries()) {
          if (node.kind !== 'group') continue
          const [map, outcome] = node.upstreams
          if (!firstOf.has(map)) firstOf.set(map, { group, outcome })
        }
        for (const [index, { kind, map = -1 }] of nodes.entries()) {
          const first = firstOf.get(map)
          if (!first || index < first.group || (kind !== 'task' && kind !== 'map')) continue
          expect(ancestors(nodes, index)).toContain(first.outcome)
        }
      }),
      { numRuns: 250 },
    )
  })
})

function ancestors(nodes: readonly GraphNode[], index: number, found = new Set<number>()) {
  if (found.has(index)) return found
  found.add(index)
  for (const upstream of nodes[index]?.upstreams ?? []) ancestors(nodes, upstream, found)
  return found
}
