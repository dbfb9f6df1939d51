import { shortHash } from '../core/ids.ts'
import { canonicalJson } from './canonical-json.ts'
import type { Graph, GraphNode, Template } from './graph.ts'
import { sourcesOf } from './templates.ts'
import { ruleOfTrigger } from './trigger.ts'

/** A graph in the form in which scripts and workers read it. */
export interface CompiledGraph {
  readonly graph: Graph
  /** The content address: the same graph has the same in every process. */
  readonly hash: string
  /** The graph as canonical JSON. */
  readonly json: string
  /**
   * Per node, those that wait for it, as `<index>.<upstreams>.<rule>.<delay in ms>.<place>` joined by commas. The rules
   * are the rows of the truth table (lua/lib/triggers.lua).
   */
  readonly dependants: readonly string[]
  /** Per node, what its input is made of: `i` for the run's input, then indices, ascending, joined by commas. */
  readonly needs: readonly string[]
  /** What the flow's output is made of, in the same form. */
  readonly outputNeeds: string
  /** Per node, a number for its queue and priority: nodes with the same one may run in one delivery. 0: the run's own. */
  readonly places: readonly number[]
  /** The nodes that wait for nothing. */
  readonly roots: readonly number[]
  /**
   * The stored graph as one flat list of fields and values: `json`, and per node k, unless they are empty, `d<k>`
   * dependants, `u<k>` upstreams, `r<k>` the rule of a join, `n<k>` needs, `m<k>` maxCrashes; `succeedsWhen` node indices.
   */
  readonly fields: readonly string[]
  /** The index of the node with that key. */
  indexOf(key: string): number | undefined
}

/** Compiles a graph. It depends on nothing else: no code, no order of properties. */
export function compileGraph(graph: Graph): CompiledGraph {
  const json = canonicalJson(graph)
  const { nodes } = graph
  const places = placesOf(nodes)
  const dependants = dependantsOf(nodes, places)
  const needs = nodes.map((node) => needsOf(nodes, node))
  const indices = new Map(nodes.map((node, index) => [node.key, index]))
  return {
    graph,
    hash: shortHash(json),
    json,
    dependants,
    needs,
    places,
    outputNeeds: templateNeeds(nodes, graph.output),
    roots: nodes.flatMap((node, index) => (node.upstreams.length === 0 ? [index] : [])),
    fields: [
      ...['json', json],
      ...(graph.succeedsWhen ? ['succeedsWhen', graph.succeedsWhen.join(',')] : []),
      ...nodes.flatMap((node, k) => nodeFields(node, k, dependants, needs)),
    ],
    indexOf: (key) => indices.get(key),
  }
}

function nodeFields(
  node: GraphNode,
  k: number,
  dependants: readonly string[],
  needs: readonly string[],
): string[] {
  const upstreams = node.upstreams.join(',')
  const fields: [string, string | undefined][] = [
    [`d${k}`, dependants[k]],
    [`u${k}`, upstreams],
    [`r${k}`, node.kind === 'join' ? ruleOf(node) : undefined],
    [`n${k}`, needs[k]],
    [`m${k}`, node.kind === 'task' ? node.maxCrashes?.toString() : undefined],
  ]
  return fields.flatMap(([field, value]) => (value ? [field, value] : []))
}

function placesOf(nodes: readonly GraphNode[]): number[] {
  const known = ['@']
  return nodes.map((node) => {
    if (node.kind !== 'task') return 0
    const place = `${node.queue ?? ''}@${node.priority ?? ''}`
    if (!known.includes(place)) known.push(place)
    return known.indexOf(place)
  })
}

function dependantsOf(nodes: readonly GraphNode[], places: readonly number[]): string[] {
  const lists = nodes.map((): string[] => [])
  for (const [j, node] of nodes.entries()) {
    const delayMs = node.kind === 'task' ? (node.delayMs ?? 0) : 0
    const entry = `${j}.${node.upstreams.length}.${ruleOf(node)}.${delayMs}.${places[j]}`
    for (const k of node.upstreams) lists[k]?.push(entry)
  }
  return lists.map((entries) => entries.join(','))
}

function ruleOf(node: GraphNode): string {
  switch (node.kind) {
    case 'task':
      return ruleOfTrigger(node.trigger, node.skipOnUpstreamSkip, node.upstreams.length)
    case 'gate':
      return 'G'
    case 'join':
      return 'J'
    case 'first':
      return 'V'
    case 'settled':
      return 'D'
  }
}

function needsOf(nodes: readonly GraphNode[], node: GraphNode): string {
  if (node.kind === 'task') return templateNeeds(nodes, node.input, node.if)
  return joinNeeds(false, withVirtualUpstreams(nodes, node.upstreams))
}

function templateNeeds(
  nodes: readonly GraphNode[],
  template: Template,
  condition?: Template,
): string {
  const sources = sourcesOf(template)
  if (condition) sourcesOf(condition, sources)
  const hasInput = sources.delete('input')
  const indices = [...sources].filter((source) => source !== 'input')
  return joinNeeds(hasInput, withVirtualUpstreams(nodes, indices))
}

/** A virtual node has no value of its own: it is made of its upstreams'. */
function withVirtualUpstreams(
  nodes: readonly GraphNode[],
  indices: readonly number[],
): Set<number> {
  const needed = new Set<number>()
  const open = [...indices]
  for (let index = open.pop(); index !== undefined; index = open.pop()) {
    if (needed.has(index)) continue
    needed.add(index)
    const node = nodes[index]
    if (node !== undefined && node.kind !== 'task') open.push(...node.upstreams)
  }
  return needed
}

function joinNeeds(hasInput: boolean, indices: Set<number>): string {
  const ascending = [...indices].sort((a, b) => a - b)
  return [...(hasInput ? ['i'] : []), ...ascending].join(',')
}
