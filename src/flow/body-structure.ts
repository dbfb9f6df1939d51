import { mapsAround } from './bodies.ts'
import type { GraphNode, GroupNode } from './graph.ts'
import { ITEM_MARK, MAP_MARK } from './names.ts'

/** What is wrong with where a node is: in which map's body, and waiting for what. */
export function bodyProblems(nodes: readonly GraphNode[], node: GraphNode): string[] {
  return [...keyProblems(nodes, node), ...placeProblems(nodes, node)]
}

function keyProblems(nodes: readonly GraphNode[], { key, kind, map }: GraphNode): string[] {
  const depth = mapsAround(nodes, map).length
  const marks = key.split(ITEM_MARK).length - 1
  return [
    ...(marks === depth ? [] : [`expected ${depth} times ${ITEM_MARK} in its key, got ${marks}`]),
    ...(key.endsWith(MAP_MARK) === (kind === 'map')
      ? []
      : [`expected ${MAP_MARK} at the end of the key of a map, and of no other node`]),
  ]
}

function placeProblems(nodes: readonly GraphNode[], node: GraphNode): string[] {
  if (node.kind === 'group') return groupProblems(nodes, node)
  if (node.kind === 'item' && node.map === undefined) return ['expected a map around it']
  return node.upstreams.every((upstream) => nodes[upstream]?.map === node.map)
    ? []
    : ['has an upstream in the body of another map']
}

function groupProblems(
  nodes: readonly GraphNode[],
  { map: around, upstreams: [map, outcome] }: GroupNode,
): string[] {
  const made = nodes[map]
  return made?.kind === 'map' && made.map === around && nodes[outcome]?.map === map
    ? []
    : ['expected a map, and a node of its body, as upstreams']
}
