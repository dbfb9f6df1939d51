import { type Build, runInFrame } from './build.ts'
import { type GroupNode, isWorkNode, type Template } from './graph.ts'
import type { Body } from './map-body.ts'
import { ITEM_MARK } from './names.ts'
import { addVirtualNode } from './virtual-nodes.ts'

/** The results of a map that are mapped again, element by element. */
export interface Elements {
  readonly map: number
  /** The node whose end is the item's. */
  readonly outcome: number
  /** Whether they tell of each item how it ended. */
  readonly isSettled: boolean
}

/**
 * What is mapped, if it is the whole of a map's results, or of `settled(results)`, and the map was made where the build
 * is: not outside of another map or of a plan B around, which may want it more than once or not at all.
 */
export function elementsOf(build: Build, items: Template): Elements | undefined {
  if (!('ref' in items) || typeof items.ref !== 'number' || items.path.length > 0) return undefined
  const node = build.nodes[items.ref]
  if (node?.kind === 'group') return elementsOfGroup(build, node, node.tolerate !== undefined)
  if (node?.kind !== 'settled' || node.paths) return undefined
  const group = build.nodes[node.upstreams[0] ?? -1]
  return group?.kind === 'group' ? elementsOfGroup(build, group, true) : undefined
}

function elementsOfGroup(
  { planOfMap, frame }: Build,
  { map: around, upstreams: [map, outcome] }: GroupNode,
  isSettled: boolean,
): Elements | undefined {
  const isHere = around === frame.map && planOfMap.get(map) === frame.plan
  return isHere ? { map, outcome, isSettled } : undefined
}

/** Goes on with the items of a map. */
export function joinBody(
  build: Build,
  { map, outcome, isSettled }: Elements,
  { tolerate }: { readonly tolerate?: number | undefined },
): Body {
  const item = isSettled ? addSettledItem(build, map, outcome) : outcome
  return { map, item: { ref: item, path: [] }, tolerate }
}

function addSettledItem(build: Build, map: number, outcome: number): number {
  return runInFrame(build, { ...build.frame, map }, () => {
    return addVirtualNode(build, 'settled', [{ node: outcome, path: [] }], ITEM_MARK).index
  })
}

/**
 * Lets the nodes that wait for nothing wait for the item: those that don't use it, so that what is done with an item
 * comes after what made it.
 *
 * @param first the index of the first node that was made for the item
 */
export function waitForItem({ nodes }: Build, { map, item }: Body, first: number): void {
  if (!('ref' in item) || typeof item.ref !== 'number') return
  for (const [offset, node] of nodes.slice(first).entries()) {
    if (node.map !== map || node.upstreams.length > 0) continue
    if (isWorkNode(node) || node.kind === 'map') {
      nodes[first + offset] = { ...node, upstreams: [item.ref] }
    }
  }
}
