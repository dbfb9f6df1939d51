import { DefinitionError } from '../core/errors.ts'
import type { Build } from './build.ts'
import type { GraphNode, Source } from './graph.ts'
import { mapOfSource } from './templates.ts'

/** The indices of the maps whose bodies a node is in, innermost first, given the innermost. */
export function mapsAround(nodes: readonly GraphNode[], innermost: number | undefined): number[] {
  const maps: number[] = []
  for (let map = innermost; map !== undefined; map = nodes[map]?.map) maps.push(map)
  return maps
}

/** True if there is one value of the source for an instance of the body of that map, or for the run if it is undefined. */
export function isVisible(
  nodes: readonly GraphNode[],
  source: Source,
  map: number | undefined,
): boolean {
  const body = typeof source === 'number' ? nodes[source]?.map : mapOfSource(source)
  return typeof body !== 'number' || mapsAround(nodes, map).includes(body)
}

/** The map that waits for a node outside of its body, among those around a node that uses it; undefined if there is none. */
export function waitingMap(
  nodes: readonly GraphNode[],
  outside: number,
  map: number | undefined,
): number | undefined {
  return mapsAround(nodes, map).find((around) => nodes[around]?.map === nodes[outside]?.map)
}

/**
 * Of the nodes that something in the body uses, those of the same body, ascending. For those from outside the map around
 * is made to wait, so that they have a value in each of its instances.
 *
 * @throws DefinitionError for a node that was made after the map
 */
export function bodyUpstreams(build: Build, used: readonly number[]): number[] {
  const { nodes, frame } = build
  const own: number[] = []
  for (const index of new Set(used)) {
    if (nodes[index]?.map === frame.map) own.push(index)
    else lift(build, index)
  }
  return own.sort((a, b) => a - b)
}

function lift(build: Build, outside: number): void {
  const { nodes, frame } = build
  const index = waitingMap(nodes, outside, frame.map)
  const map = index === undefined ? undefined : nodes[index]
  if (index === undefined || map?.kind !== 'map' || map.upstreams.includes(outside)) return
  if (outside > index) {
    throw new DefinitionError(
      `${map.key}: a map of its results uses ${nodes[outside]?.key}, which was called after it. Call that before the first map, or make a task that returns the items together with it, and map over its result`,
    )
  }
  nodes[index] = { ...map, upstreams: [...map.upstreams, outside].sort((a, b) => a - b) }
}
