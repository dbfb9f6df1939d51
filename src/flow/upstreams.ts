import type { GraphNode, WorkNode } from './graph.ts'
import { propagatesSkips } from './trigger.ts'

/**
 * True for a node whose trigger looks at how its upstreams ended. A `settled` always succeeds, so that such a trigger
 * would never see what it tells of: it counts the node itself instead.
 */
export function countsWhatIsSettled({
  trigger,
  skipOnUpstreamSkip,
}: Pick<WorkNode, 'trigger' | 'skipOnUpstreamSkip'>): boolean {
  return !(propagatesSkips(trigger) && skipOnUpstreamSkip !== false)
}

/** The node that a `settled` tells of; any other node itself. */
export function settledNode(nodes: readonly GraphNode[], index: number): number {
  const node = nodes[index]
  const [x] = node?.upstreams ?? []
  return node?.kind === 'settled' && x !== undefined ? settledNode(nodes, x) : index
}
