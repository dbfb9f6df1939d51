import { shortHash } from '../core/ids.ts'
import { canonicalJson } from './canonical-json.ts'
import {
  type Graph,
  type GraphNode,
  type GroupNode,
  isWorkNode,
  type Source,
  type Template,
} from './graph.ts'
import { Instances } from './instances.ts'
import { mapOfSource, sourcesOf } from './templates.ts'
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
   * are the rows of the truth table (lua/lib/triggers.lua). In a map's body the indices are those of the body's
   * instance; a group stands there as `<index>.<map>.g<tolerated>.0.<the map around it + 1, or 0>`.
   */
  readonly dependants: readonly string[]
  /**
   * Per node, what its input is made of: `i` for the run's input, then indices, ascending, joined by commas. In a map's
   * body: `.` for the item, an index for a node of the same body, `=<index>` for one outside of all; for one between
   * them, `*`: the script doesn't look for it. A group is `<index>:<its map>`.
   */
  readonly needs: readonly string[]
  /** Per node, the same as indices in the graph; of a map's item, that of the map. */
  readonly sources: readonly Sources[]
  /** What the flow's output is made of. */
  readonly outputSources: Sources
  /** Per node, a number for its queue and priority: nodes with the same one may run in one delivery. 0: the run's own. */
  readonly places: readonly number[]
  /** The nodes that wait for nothing; those in a map's body wait for the map. */
  readonly roots: readonly number[]
  /**
   * The stored graph as one flat list of fields and values: `json`, and per node k, unless they are empty, `d<k>`
   * dependants, `u<k>` upstreams, `r<k>` the rule of a join or group, `n<k>` needs, `m<k>` maxCrashes, `b<k>` of a map
   * `<base>.<stride>` of its instances and those of the maps around it, outermost first; `succeedsWhen` node indices;
   * `runs` the indices of the nodes that wait for a child run.
   */
  readonly fields: readonly string[]
  /** The numbers of the instances that maps make. */
  readonly instances: Instances
  /** The index of the node with that key. */
  indexOf(key: string): number | undefined
}

/** What a value is made of. */
export interface Sources {
  readonly input: boolean
  /** Nodes, ascending: also those that the values of virtual nodes are made of, up to a group. */
  readonly nodes: readonly number[]
  /** True if one of them is a group, whose items are to be read too. */
  readonly hasGroups: boolean
  /** The maps whose items are used, ascending. */
  readonly items: readonly number[]
}

/** Compiles a graph. It depends on nothing else: no code, no order of properties. */
export function compileGraph(graph: Graph): CompiledGraph {
  const json = canonicalJson(graph)
  const { nodes } = graph
  const instances = new Instances(nodes)
  const places = placesOf(nodes)
  const dependants = dependantsOf(nodes, places)
  const sources = nodes.map((node) => sourcesOfNode(nodes, node))
  const needs = sources.map((made, index) => needsText(nodes, made, nodes[index]?.map))
  const runs = nodes.flatMap(({ kind }, index) => (kind === 'run' ? [index] : []))
  const indices = new Map(nodes.map((node, index) => [node.key, index]))
  return {
    graph,
    hash: shortHash(json),
    json,
    dependants,
    needs,
    sources,
    places,
    outputSources: templateSources(nodes, graph.output),
    roots: nodes.flatMap((node, index) =>
      node.upstreams.length === 0 && node.map === undefined ? [index] : [],
    ),
    fields: [
      ...['json', json],
      ...(graph.succeedsWhen ? ['succeedsWhen', graph.succeedsWhen.join(',')] : []),
      ...(runs.length > 0 ? ['runs', runs.join(',')] : []),
      ...nodes.flatMap((node, k) => nodeFields(node, k, { dependants, needs, instances })),
    ],
    instances,
    indexOf: (key) => indices.get(key),
  }
}

function nodeFields(
  node: GraphNode,
  k: number,
  { dependants, needs, instances }: Pick<CompiledGraph, 'dependants' | 'needs' | 'instances'>,
): string[] {
  const upstreams = node.upstreams.join(',')
  const hasRule = node.kind === 'join' || node.kind === 'group'
  const path = instances.bodies.get(k)?.path ?? []
  const numbers = path.flatMap((map) => instances.bodies.get(map) ?? [])
  const fields: [string, string | undefined][] = [
    [`d${k}`, dependants[k]],
    [`u${k}`, upstreams],
    [`r${k}`, hasRule ? ruleOf(node).charAt(0) : undefined],
    [`n${k}`, needs[k]],
    [`m${k}`, isWorkNode(node) ? node.maxCrashes?.toString() : undefined],
    [`b${k}`, numbers.map(({ base, stride }) => `${base}.${stride}`).join(',')],
  ]
  return fields.flatMap(([field, value]) => (value ? [field, value] : []))
}

function placesOf(nodes: readonly GraphNode[]): number[] {
  const known = ['@']
  return nodes.map((node) => {
    if (!isWorkNode(node)) return 0
    const place = `${node.queue ?? ''}@${node.priority ?? ''}`
    if (!known.includes(place)) known.push(place)
    return known.indexOf(place)
  })
}

function dependantsOf(nodes: readonly GraphNode[], places: readonly number[]): string[] {
  const lists = nodes.map((): string[] => [])
  for (const [j, node] of nodes.entries()) {
    const entry = entryOf(node, j, places)
    for (const k of node.upstreams) lists[k]?.push(entry)
  }
  return lists.map((entries) => entries.join(','))
}

function entryOf(node: GraphNode, j: number, places: readonly number[]): string {
  if (node.kind === 'group')
    return `${j}.${node.upstreams[0]}.${ruleOf(node)}.0.${(node.map ?? -1) + 1}`
  const delayMs = isWorkNode(node) ? (node.delayMs ?? 0) : 0
  return `${j}.${node.upstreams.length}.${ruleOf(node)}.${delayMs}.${places[j]}`
}

function ruleOf(node: GraphNode): string {
  switch (node.kind) {
    case 'task':
    case 'run':
      return ruleOfTrigger(node.trigger, node.skipOnUpstreamSkip, node.upstreams.length)
    case 'map':
      return ruleOfTrigger('all_success', undefined, node.upstreams.length)
    case 'gate':
      return 'G'
    case 'join':
      return 'J'
    case 'first':
      return 'V'
    case 'settled':
      return 'D'
    case 'succeeded':
      return 'A'
    case 'item':
      return 'i'
    case 'group':
      return `g${toleratedText(node)}`
  }
}

/** A count, or, after `k`, millionths of the items. */
function toleratedText({ tolerate = 0 }: GroupNode): string {
  return tolerate > 0 && tolerate < 1 ? `k${Math.round(tolerate * 1e6)}` : String(tolerate)
}

function sourcesOfNode(nodes: readonly GraphNode[], node: GraphNode): Sources {
  switch (node.kind) {
    case 'task':
    case 'run':
      return templateSources(nodes, node.input, node.if)
    case 'map':
      return templateSources(nodes, node.items, node.itemKey)
    case 'item':
      return templateSources(nodes, node.output)
    default:
      return gather(nodes, new Set(node.kind === 'group' ? [] : node.upstreams))
  }
}

function templateSources(
  nodes: readonly GraphNode[],
  template: Template,
  condition?: Template,
): Sources {
  const sources = sourcesOf(template)
  if (condition) sourcesOf(condition, sources)
  return gather(nodes, sources)
}

/** A virtual node has no value of its own: it is made of its upstreams', that of an item's end of its template. */
function gather(nodes: readonly GraphNode[], sources: ReadonlySet<Source>): Sources {
  const found = new Set<Source>()
  const open = [...sources]
  for (let source = open.pop(); source !== undefined; source = open.pop()) {
    if (found.has(source)) continue
    found.add(source)
    const node = typeof source === 'number' ? nodes[source] : undefined
    if (node?.kind === 'item') open.push(...sourcesOf(node.output))
    else if (node && isMadeOfUpstreams(node)) open.push(...node.upstreams)
  }
  const all = [...found]
  const used = ascending(all.filter((source) => typeof source === 'number'))
  return {
    input: found.has('input'),
    nodes: used,
    hasGroups: used.some((index) => nodes[index]?.kind === 'group'),
    items: ascending(all.flatMap((source) => mapOfSource(source) ?? [])),
  }
}

function isMadeOfUpstreams({ kind }: GraphNode): boolean {
  return kind !== 'task' && kind !== 'run' && kind !== 'map' && kind !== 'group'
}

function needsText(nodes: readonly GraphNode[], made: Sources, map: number | undefined): string {
  return [
    ...(made.input ? ['i'] : []),
    ...made.items.map((item) => (item === map ? '.' : '*')),
    ...made.nodes.map((index) => {
      const node = nodes[index]
      const text = node?.kind === 'group' ? `${index}:${node.upstreams[0]}` : String(index)
      if (node?.map === map) return text
      return node?.map === undefined ? `=${text}` : '*'
    }),
  ].join(',')
}

function ascending(indices: readonly number[]): number[] {
  return [...new Set(indices)].sort((a, b) => a - b)
}
