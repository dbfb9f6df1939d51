import type { Failure } from '../core/failure.ts'
import type { Json } from '../core/json.ts'
import type { FinalNodeState } from '../core/states.ts'
import type { Graph, VirtualNode } from './graph.ts'
import { valueAt } from './templates.ts'

/** How a node ended. */
export interface NodeOutcome {
  readonly state: FinalNodeState
  /** What its task returned, if it succeeded. Virtual nodes need none: theirs is derived. */
  readonly value?: Json
  /** The failure that made it fail; for `upstream_failed`, that of the node that caused it. */
  readonly failure?: Failure
}

/** Tells how a node ended; undefined if it is not known, which counts as no value. */
export type OutcomeOf = (index: number) => NodeOutcome | undefined

/** The value of a node, also of one that no worker executes; undefined if it has none. */
export function nodeValue(graph: Graph, index: number, outcomeOf: OutcomeOf): Json | undefined {
  const node = graph.nodes[index]
  const outcome = outcomeOf(index)
  if (node === undefined || outcome?.state !== 'succeeded') return undefined
  switch (node.kind) {
    case 'task':
      return outcome.value
    case 'gate':
      return gateValue(node, outcomeOf)
    case 'join':
    case 'first':
      return joinValue(graph, node, outcomeOf)
    case 'settled':
      return settledValue(graph, node, outcomeOf)
  }
}

function gateValue({ upstreams: [x] }: VirtualNode, outcomeOf: OutcomeOf): Json | undefined {
  const failure = x === undefined ? undefined : outcomeOf(x)?.failure
  return failure && failureJson(failure)
}

function joinValue(graph: Graph, node: VirtualNode, outcomeOf: OutcomeOf): Json | undefined {
  const position = node.upstreams.findIndex((index) => outcomeOf(index)?.state === 'succeeded')
  return upstreamValue(graph, node, position, outcomeOf)
}

function settledValue(graph: Graph, node: VirtualNode, outcomeOf: OutcomeOf): Json | undefined {
  const x = node.upstreams[0]
  const outcome = x === undefined ? undefined : outcomeOf(x)
  if (outcome === undefined) return undefined
  const { state, failure } = outcome
  return state === 'succeeded'
    ? { status: state, value: upstreamValue(graph, node, 0, outcomeOf) }
    : { status: state, error: failure === undefined ? null : failureJson(failure) }
}

function upstreamValue(
  graph: Graph,
  node: VirtualNode,
  position: number,
  outcomeOf: OutcomeOf,
): Json | undefined {
  const index = node.upstreams[position]
  if (index === undefined) return undefined
  return valueAt(nodeValue(graph, index, outcomeOf), node.paths?.[position] ?? [])
}

/** Trust border: a failure is plain data (`storeError` made it), but an interface can't say so. */
function failureJson(failure: Failure): Json {
  return failure as Failure & Json
}
