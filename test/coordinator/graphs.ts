import { type CompiledGraph, compileGraph } from '../../src/flow/compile.ts'
import type { GraphNode, TaskNode, Template, VirtualNode } from '../../src/flow/graph.ts'

/** A node whose upstreams are still named by their keys. */
export type NodeSpec = {
  readonly key: string
  readonly after: readonly string[]
  /** The map in whose body it is. */
  readonly map?: string
} & (
  | {
      readonly kind: 'task' | 'run'
      readonly trigger: TaskNode['trigger']
      readonly skipOnUpstreamSkip?: boolean
      readonly delayMs?: number
    }
  | { readonly kind: VirtualNode['kind'] }
  | { readonly kind: 'map'; readonly maxItems: number }
  | { readonly kind: 'group'; readonly tolerate?: number }
  | { readonly kind: 'item' }
)

interface TaskSpecOptions {
  readonly trigger?: TaskNode['trigger']
  readonly skipOnUpstreamSkip?: boolean
  readonly delayMs?: number
}

/** A task that takes the values of all of its upstreams, or the run's input if it has none. */
export function node(
  key: string,
  after: readonly string[] = [],
  { trigger = 'all_success', ...options }: TaskSpecOptions = {},
): NodeSpec {
  return { kind: 'task', key, after, trigger, ...options }
}

/** A node that waits for a child run. */
export function runNode(
  key: string,
  after: readonly string[] = [],
  { trigger = 'all_success', ...options }: TaskSpecOptions = {},
): NodeSpec {
  return { kind: 'run', key, after, trigger, ...options }
}

export function gate(key: string, x: string): NodeSpec {
  return { kind: 'gate', key, after: [x] }
}

export function join(key: string, x: string, y: string): NodeSpec {
  return { kind: 'join', key, after: [x, y] }
}

export function firstOf(key: string, after: readonly string[]): NodeSpec {
  return { kind: 'first', key, after }
}

export function settledOf(key: string, x: string): NodeSpec {
  return { kind: 'settled', key, after: [x] }
}

export function mapOf(key: string, after: readonly string[] = [], maxItems = 10): NodeSpec {
  return { kind: 'map', key, after, maxItems }
}

export function groupOf(key: string, map: string, outcome: string, tolerate?: number): NodeSpec {
  return { kind: 'group', key, after: [map, outcome], ...(tolerate !== undefined && { tolerate }) }
}

export function itemEnd(key: string, after: readonly string[]): NodeSpec {
  return { kind: 'item', key, after }
}

/** The nodes in the body of a map. */
export function inMap(map: string, specs: readonly NodeSpec[]): NodeSpec[] {
  return specs.map((spec) => ({ map, ...spec }))
}

/** Compiles nodes in their order; upstreams must come before the nodes that name them. */
export function graphOf(
  specs: readonly NodeSpec[],
  succeedsWhen?: readonly string[],
): CompiledGraph {
  const indices = new Map(specs.map(({ key }, index) => [key, index]))
  const nodes = specs.map((spec): GraphNode => {
    const upstreams = spec.after.map((key) => {
      const index = indices.get(key)
      if (index === undefined) throw new Error(`${spec.key} names the unknown node ${key}`)
      return index
    })
    const { after: _, map, ...own } = spec
    const base = map === undefined ? {} : { map: indices.get(map) ?? -1 }
    switch (own.kind) {
      case 'task': {
        const input = inputFrom(upstreams)
        upstreams.sort((a, b) => a - b)
        return { ...own, ...base, kind: 'task', task: spec.key, input, upstreams }
      }
      case 'run': {
        const input = inputFrom(upstreams)
        upstreams.sort((a, b) => a - b)
        return { ...own, ...base, kind: 'run', child: { flow: 'test-flow' }, input, upstreams }
      }
      case 'map':
        upstreams.sort((a, b) => a - b)
        return { ...own, ...base, items: { ref: 'input', path: ['items'] }, upstreams }
      case 'group': {
        const [of = -1, outcome = -1] = upstreams
        return { ...own, ...base, upstreams: [of, outcome] }
      }
      case 'item':
        upstreams.sort((a, b) => a - b)
        return { ...own, ...base, output: inputFrom(upstreams), upstreams }
      default:
        return { ...own, ...base, upstreams }
    }
  })
  const last = nodes.length - 1
  const decisive = succeedsWhen?.map((key) => indices.get(key) ?? -1)
  return compileGraph({
    v: 1,
    flow: 'test-flow',
    nodes,
    output: { ref: last, path: [] },
    ...(decisive && { succeedsWhen: decisive }),
  })
}

function inputFrom(upstreams: readonly number[]): Template {
  if (upstreams.length === 0) return { ref: 'input', path: [] }
  return { arr: upstreams.map((ref) => ({ ref, path: [] })) }
}

/** The nodes of a chain: k0 → k1 → … */
export function chain(length: number): NodeSpec[] {
  return Array.from({ length }, (_, i) => node(`k${i}`, i === 0 ? [] : [`k${i - 1}`]))
}
