import type { GraphNode } from './graph.ts'

/** True for a node whose value tells of each item of a map how it ended. */
export function isSettledList(nodes: readonly GraphNode[], index: number): boolean {
  const node = nodes[index]
  if (node?.kind === 'group') return node.tolerate !== undefined
  return node?.kind === 'settled' && !node.paths && nodes[node.upstreams[0] ?? -1]?.kind === 'group'
}
