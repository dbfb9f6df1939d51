import type { NodeState } from '../core/states.ts'
import { type Graph, isWorkNode } from '../flow/graph.ts'
import type { RerunPlan } from '../flow/rerun-plan.ts'

/** A part of what a rerun copies, as `copyReused` takes it (lua/rerun.lua). */
export interface CopyChunk {
  readonly indices: string
  readonly counts: string
}

/** Bounds the time that one script takes. */
const NODES_PER_CHUNK = 100

/** What a rerun copies: the nodes that it reuses, and the counts of their dependants that execute. */
export function copyChunks(
  { nodes }: Graph,
  plan: RerunPlan,
  states: readonly NodeState[],
): CopyChunk[] {
  const isReused = (index: number) => plan[index]?.action !== 'execute'
  const indices = nodes.flatMap((node, index) => {
    if (!isReused(index)) return []
    return isWorkNode(node) && states[index] === 'succeeded' ? [`${index}r`] : [String(index)]
  })
  const counts = nodes.flatMap(({ upstreams }, index) => {
    const known = isReused(index) ? [] : upstreams.filter(isReused)
    const count = known.reduce((sum, upstream) => sum + countOf(states[upstream]), 0)
    return count > 0 && known.length < upstreams.length ? [`${index}=${count}`] : []
  })
  const chunks: CopyChunk[] = []
  const longest = Math.max(indices.length, counts.length)
  for (let from = 0; from < longest; from += NODES_PER_CHUNK) {
    const part = (list: readonly string[]) => list.slice(from, from + NODES_PER_CHUNK).join(',')
    chunks.push({ indices: part(indices), counts: part(counts) })
  }
  return chunks
}

/** How many nodes a rerun does not reuse; those of a map's items come to them when they are made. */
export function leftIn({ nodes }: Graph, plan: RerunPlan): number {
  return nodes.filter(({ map }, index) => map === undefined && plan[index]?.action === 'execute')
    .length
}

// As lua/lib/resolve.lua packs the final upstreams of a node; no reused upstream of a node that executes has failed.
function countOf(state: NodeState | undefined): number {
  return state === 'skipped' ? 2 ** 32 : 1
}
