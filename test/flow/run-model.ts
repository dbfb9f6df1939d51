import type { Failure } from '../../src/core/failure.ts'
import type { FinalNodeState } from '../../src/core/states.ts'
import type { Graph, GraphNode } from '../../src/flow/graph.ts'
import type { NodeOutcome } from '../../src/flow/values.ts'

const modelFailure: Failure = {
  kind: 'error',
  error: { name: 'Error', names: ['Error'], message: 'model' },
}

/** What must hold whichever of the two wins when one upstream failed and another one was skipped. */
export type Precedence = 'failure first' | 'skip first'

/** How every node ends, given which tasks fail if they run. */
export function runModel(
  graph: Graph,
  fails: (index: number) => boolean,
  precedence: Precedence,
): NodeOutcome[] {
  const outcomes: NodeOutcome[] = []
  for (const [index, node] of graph.nodes.entries()) {
    const upstreams = node.upstreams.map((upstream) => outcomes[upstream]?.state ?? 'cancelled')
    outcomes.push(outcomeOf(nodeState(node, upstreams, fails(index), precedence), index))
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
    default:
      throw new Error(`the model has no maps: ${node.key}`)
  }
}

function outcomeOf(state: FinalNodeState, index: number): NodeOutcome {
  if (state === 'succeeded') return { state, value: { node: index, part: index } }
  return state === 'failed' || state === 'upstream_failed'
    ? { state, failure: modelFailure }
    : { state }
}
