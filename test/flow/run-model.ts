import type { Failure } from '../../src/core/failure.ts'
import type { FinalNodeState } from '../../src/core/states.ts'
import type { Graph, GraphNode, GroupNode } from '../../src/flow/graph.ts'
import type { NodeOutcome } from '../../src/flow/values.ts'

const modelFailure: Failure = {
  kind: 'error',
  error: { name: 'Error', names: ['Error'], message: 'model' },
}

/** What must hold whichever of the two wins when one upstream failed and another one was skipped. */
export type Precedence = 'failure first' | 'skip first'

/**
 * How every node ends, given which tasks fail if they run. Every map has one item; what is inside of one that made none
 * reads as cancelled.
 */
export function runModel(
  graph: Pick<Graph, 'nodes'>,
  fails: (index: number) => boolean,
  precedence: Precedence,
): NodeOutcome[] {
  const outcomes: NodeOutcome[] = []
  for (const [index, node] of graph.nodes.entries()) {
    const upstreams = node.upstreams.map((upstream) => outcomes[upstream]?.state ?? 'cancelled')
    const isThere = node.map === undefined || outcomes[node.map]?.state === 'succeeded'
    const state = isThere ? nodeState(node, upstreams, fails(index), precedence) : 'cancelled'
    outcomes.push(outcomeOf(state, index))
  }
  return outcomes
}

function nodeState(
  node: GraphNode,
  upstreams: readonly FinalNodeState[],
  fails: boolean,
  precedence: Precedence,
): FinalNodeState {
  const hasFailed = upstreams.some((state) => state === 'failed' || state === 'upstream_failed')
  const hasSkipped = upstreams.includes('skipped')
  const ran = fails ? 'failed' : 'succeeded'
  switch (node.kind) {
    case 'run':
    case 'task':
      if (node.trigger === 'any_failed') return hasFailed ? ran : 'skipped'
      if (hasFailed && !(hasSkipped && precedence === 'skip first')) return 'upstream_failed'
      return hasSkipped ? 'skipped' : ran
    case 'gate':
      return hasFailed ? 'succeeded' : 'skipped'
    case 'join':
    case 'first':
      if (upstreams.includes('succeeded')) return 'succeeded'
      return hasFailed ? 'upstream_failed' : 'skipped'
    case 'settled':
      return 'succeeded'
    case 'map':
      if (hasFailed && !(hasSkipped && precedence === 'skip first')) return 'upstream_failed'
      return hasSkipped ? 'skipped' : ran
    case 'item':
      if (hasFailed) return 'upstream_failed'
      return upstreams.includes('succeeded') ? 'succeeded' : 'skipped'
    case 'group':
      return groupState(node, upstreams)
    case 'succeeded':
      if (hasFailed) return 'upstream_failed'
      return hasSkipped ? 'skipped' : 'succeeded'
  }
}

function groupState(
  { tolerate = 0 }: GroupNode,
  [map, item]: readonly FinalNodeState[],
): FinalNodeState {
  if (map !== 'succeeded') return map === 'skipped' ? 'skipped' : 'upstream_failed'
  const hasFailed = item === 'failed' || item === 'upstream_failed'
  return hasFailed && tolerate < 1 ? 'upstream_failed' : 'succeeded'
}

function outcomeOf(state: FinalNodeState, index: number): NodeOutcome {
  if (state === 'succeeded') return { state, value: { node: index, part: index } }
  return state === 'failed' || state === 'upstream_failed'
    ? { state, failure: modelFailure }
    : { state }
}
