import type { Failure } from '../core/failure.ts'
import type { Json } from '../core/json.ts'
import type { FinalNodeState } from '../core/states.ts'
import type { CompiledGraph, Sources } from './compile.ts'
import {
  type GroupNode,
  type ItemNode,
  isWorkNode,
  type Source,
  type Template,
  type VirtualNode,
} from './graph.ts'
import { instanceIndex, type Location } from './instances.ts'
import { mapOfSource, resolveTemplate, valueAt } from './templates.ts'

/** How a node ended. */
export interface NodeOutcome {
  readonly state: FinalNodeState
  /** What its task returned, if it succeeded. Virtual nodes need none: theirs is derived. */
  readonly value?: Json
  /** The failure that made it fail; for `upstream_failed`, that of the node that caused it. */
  readonly failure?: Failure
}

/** What is known of a run. Indices are those of instances.ts. */
export interface KnownValues {
  /** How a node ended; undefined if it is not known, which counts as no value. */
  outcome(index: number): NodeOutcome | undefined
  /** An item of a map. */
  item(index: number): Json | undefined
  /** How many items the map of a group has made. */
  itemCount(group: number): number
  /** The run's input. */
  input(): Json | undefined
}

/** Fills in a template as seen from a node: in a map's body, its own item and the nodes of its own instance count. */
export function fillTemplate(
  graph: CompiledGraph,
  from: Location,
  template: Template,
  known: KnownValues,
): Json | undefined {
  return resolveTemplate(template, (source) => sourceValue(graph, from, source, known))
}

function sourceValue(
  graph: CompiledGraph,
  from: Location,
  source: Source,
  known: KnownValues,
): Json | undefined {
  if (source === 'input') return known.input()
  if (typeof source === 'number') {
    return nodeValue(graph, graph.instances.indexFrom(from, source), known)
  }
  const map = mapOfSource(source)
  const level = from.levels.find((candidate) => candidate.map === map)
  if (level === undefined) return undefined
  return source.startsWith('index:') ? level.position : known.item(instanceIndex(level.instance))
}

/** The value of a node, also of one that no worker executes; undefined if it has none. */
export function nodeValue(
  graph: CompiledGraph,
  index: number,
  known: KnownValues,
): Json | undefined {
  const at = graph.instances.locate(index)
  const node = graph.graph.nodes[at.template]
  const outcome = known.outcome(index)
  if (node === undefined || outcome?.state !== 'succeeded') return undefined
  switch (node.kind) {
    case 'task':
    case 'run':
      return outcome.value
    case 'map':
      return undefined
    case 'group':
      return groupValue(graph, at, node, known)
    case 'item':
      return itemValue(graph, at, node, known)
    default:
      return virtualValue(graph, at, node, known)
  }
}

function virtualValue(
  graph: CompiledGraph,
  at: Location,
  node: VirtualNode,
  known: KnownValues,
): Json | undefined {
  const indices = node.upstreams.map((upstream) => graph.instances.indexFrom(at, upstream))
  const partOf = (position: number) => {
    const index = indices[position]
    const path = node.paths?.[position] ?? []
    return index === undefined ? undefined : valueAt(nodeValue(graph, index, known), path)
  }
  switch (node.kind) {
    case 'gate':
      return failureJson(outcomeAt(indices, 0, known)?.failure)
    case 'join':
    case 'first':
      return partOf(indices.findIndex((index) => known.outcome(index)?.state === 'succeeded'))
    case 'succeeded':
      return valuesOfSucceeded(partOf(0))
    case 'settled': {
      const [upstream = -1] = node.upstreams
      const group = graph.graph.nodes[upstream]
      return group?.kind === 'group' && !node.paths
        ? settledItems(graph, graph.instances.locate(indices[0] ?? 0), group, known)
        : settledValue(outcomeAt(indices, 0, known), () => partOf(0))
    }
  }
}

function outcomeAt(
  indices: readonly number[],
  position: number,
  known: KnownValues,
): NodeOutcome | undefined {
  const index = indices[position]
  return index === undefined ? undefined : known.outcome(index)
}

function settledValue(
  outcome: NodeOutcome | undefined,
  value: () => Json | undefined,
): Json | undefined {
  if (outcome === undefined) return undefined
  const { state, failure } = outcome
  return state === 'succeeded'
    ? { status: state, value: value() ?? null }
    : { status: state, error: failureJson(failure) ?? null }
}

/** A flow that returns nothing gives null, as a run's output does. */
function itemValue(graph: CompiledGraph, at: Location, node: ItemNode, known: KnownValues): Json {
  return fillTemplate(graph, at, node.output, known) ?? null
}

function groupValue(
  graph: CompiledGraph,
  at: Location,
  node: GroupNode,
  known: KnownValues,
): Json[] {
  if (node.tolerate !== undefined) return settledItems(graph, at, node, known)
  return outcomesOf(graph, at, node, known).flatMap((index) =>
    known.outcome(index)?.state === 'succeeded' ? [nodeValue(graph, index, known) ?? null] : [],
  )
}

function settledItems(
  graph: CompiledGraph,
  at: Location,
  node: GroupNode,
  known: KnownValues,
): Json[] {
  return outcomesOf(graph, at, node, known).map(
    (index) => settledValue(known.outcome(index), () => nodeValue(graph, index, known)) ?? null,
  )
}

/** The indices of the nodes whose ends are those of a group's items. */
function outcomesOf(
  { instances }: CompiledGraph,
  at: Location,
  { upstreams: [map, outcome] }: GroupNode,
  known: Pick<KnownValues, 'itemCount'>,
): number[] {
  const mapAt = instances.locate(instances.indexFrom(at, map))
  return Array.from({ length: known.itemCount(at.index) }, (_, position) =>
    instanceIndex(instances.itemInstance(mapAt, position), outcome),
  )
}

/** Trust border: what it is made of has the form of settled items, as the definition's types say. */
function valuesOfSucceeded(items: Json | undefined): Json | undefined {
  if (!Array.isArray(items)) return undefined
  return items.flatMap((item: { status?: Json; value?: Json }) =>
    item.status === 'succeeded' ? [item.value ?? null] : [],
  )
}

/** Trust border: a failure is plain data (`storeError` made it), but an interface can't say so. */
function failureJson(failure: Failure | undefined): (Failure & Json) | undefined {
  return failure as (Failure & Json) | undefined
}

/** What is known so far, while values are read. */
export interface PartlyKnown extends Pick<KnownValues, 'itemCount'> {
  has(index: number): boolean
}

/**
 * The indices that have to be read before a value can be made; empty when all are known. A group tells only when it is
 * known how many items it has, so ask again after each reading.
 */
export function unknownIndices(
  graph: CompiledGraph,
  from: Location,
  sources: Sources,
  known: PartlyKnown,
): number[] {
  const { instances } = graph
  const unknown = new Set<number>()
  const visit = (at: Location, { nodes, items }: Sources): void => {
    for (const map of items) {
      const level = at.levels.find((candidate) => candidate.map === map)
      if (level) note(instanceIndex(level.instance))
    }
    for (const template of nodes) {
      const index = instances.indexFrom(at, template)
      const node = graph.graph.nodes[template]
      if (note(index) && node?.kind === 'group') visitItems(instances.locate(index), node)
    }
  }
  const visitItems = (at: Location, node: GroupNode): void => {
    const made = graph.sources[node.upstreams[1]]
    const isVirtual = !isWorkNode(graph.graph.nodes[node.upstreams[1]])
    for (const index of outcomesOf(graph, at, node, known)) {
      if (note(index) && isVirtual && made) visit(instances.locate(index), made)
    }
  }
  const note = (index: number): boolean => {
    if (known.has(index)) return true
    unknown.add(index)
    return false
  }
  visit(from, sources)
  return [...unknown]
}
