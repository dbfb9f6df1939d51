import type { CompiledGraph } from '../flow/compile.ts'
import { instanceIndex, type Location } from '../flow/instances.ts'

type Fields = Readonly<Record<string, string | undefined>>

/** How many items a map of a run has made (lua/lib/groups.lua), by the map's index. */
function itemsMade(fields: Fields, map: number): number {
  return Number((fields[`c${map}`] ?? '0').replace('=', ''))
}

/** Where the nodes of a run are, in the order of the graph; a map is followed by the nodes of its items. */
export function locateNodes(graph: CompiledGraph, fields: Fields): Location[] {
  const { instances } = graph
  const found: Location[] = []
  const add = (at: Location): void => {
    found.push(at)
    const body = instances.bodies.get(at.template)
    if (!body) return
    for (let position = 0; position < itemsMade(fields, at.index); position++) {
      const instance = instances.itemInstance(at, position)
      for (const node of body.nodes) add(instances.locate(instanceIndex(instance, node)))
    }
  }
  graph.graph.nodes.forEach((node, index) => {
    if (node.map === undefined) add(instances.locate(index))
  })
  return found
}

/** The items of a run whose maps gave them keys. */
export function keyedItems(graph: CompiledGraph, nodes: readonly Location[]): number[] {
  const keyed = nodes.flatMap(({ levels }) =>
    levels.flatMap(({ map, instance }) => {
      const node = graph.graph.nodes[map]
      return node?.kind === 'map' && node.itemKey ? [instanceIndex(instance)] : []
    }),
  )
  return [...new Set(keyed)]
}

/**
 * The key of a node of a run, such as `fetch[3]` or `orders[eu]/ping`.
 *
 * @param itemKey the key that a map gave an item; null where its position is its key
 */
export function nodeKey(
  graph: CompiledGraph,
  { template, levels }: Location,
  itemKey: (item: number) => string | null,
): string {
  const key = graph.graph.nodes[template]?.key ?? String(template)
  return levels.reduce(
    (text, { instance, position }) =>
      text.replace('[*]', () => `[${itemKey(instanceIndex(instance)) ?? position}]`),
    key,
  )
}

/** Nodes of a run whose ends are those of items, by the index of their group. */
export function itemsByGroup<Node extends { readonly index: number }>(
  { graph, instances }: CompiledGraph,
  nodes: readonly Node[],
): Map<number, Node[]> {
  const groupsOf = new Map<number, number[]>()
  graph.nodes.forEach((node, index) => {
    if (node.kind === 'group') append(groupsOf, node.upstreams[1], index)
  })
  const found = new Map<number, Node[]>()
  if (groupsOf.size === 0) return found
  for (const node of nodes) {
    const at = instances.locate(node.index)
    for (const group of groupsOf.get(at.template) ?? []) {
      append(found, instances.indexFrom(at, group), node)
    }
  }
  return found
}

function append<Key, Value>(lists: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = lists.get(key)
  if (list) list.push(value)
  else lists.set(key, [value])
}
