import { RepriseError } from '../core/errors.ts'
import type { RerunStrategy } from '../core/lineage.ts'
import { isFinalNodeState, type NodeState } from '../core/states.ts'
import { type Graph, type GraphNode, isWorkNode } from './graph.ts'
import { propagatesSkips } from './trigger.ts'

/** What a planner knows of a node of the run that is to be repeated. */
export interface EarlierNode {
  readonly state: NodeState
  /** True for a failure that a plan B made up for. */
  readonly forgiven: boolean
}

/** What a rerun does with a node: `reuse` keeps its result (or its forgiven failure), `skip` leaves it skipped. */
export type RerunAction = 'execute' | 'reuse' | 'skip'

/** Why: its own state in the run that is repeated, a node above or below it, or the strategy. */
export type RerunReason =
  | 'succeeded'
  | 'skipped'
  | 'forgiven'
  | 'failed'
  | 'upstream_failed'
  | 'not_finished'
  | 'upstream_executes'
  | 'needed_by_failed'
  | 'strategy_all'

/** What a rerun does with one node, and why. Virtual nodes that "execute" are decided anew. */
export interface PlannedNode {
  readonly action: RerunAction
  readonly reason: RerunReason
}

/** What becomes of each node, by index. */
export type RerunPlan = readonly PlannedNode[]

/**
 * Plans what a rerun executes. From the failure: every node that failed, whose upstream failed, or that never ended, and all
 * that depend on these; a forgiven failure only if something that executes depends on it. Everything else is reused or stays
 * skipped, and so is everything that it depends on.
 *
 * @param earlier the nodes of the run that is repeated, in the order of the graph; not needed for `all`
 * @throws RepriseError `run_state` for a graph with a map, from the failure
 */
export function planRerun(
  graph: Graph,
  earlier: readonly EarlierNode[],
  strategy: RerunStrategy,
): RerunPlan {
  if (strategy === 'all') {
    return graph.nodes.map(() => ({ action: 'execute', reason: 'strategy_all' }))
  }
  checkGraph(graph)
  const reasons = executedNodes(graph.nodes, earlier)
  return graph.nodes.map((_node, index) => {
    const reason = reasons.get(index)
    return reason === undefined ? kept(earlier[index]) : { action: 'execute', reason }
  })
}

/** Does the rerun execute any task? */
export function executesAnything({ nodes }: Graph, plan: RerunPlan): boolean {
  return nodes.some((node, index) => isWork(node) && plan[index]?.action === 'execute')
}

/** The nodes that can begin when the rerun opens: those that wait for reused nodes only, or for enough of them. */
export function startsOf(
  { nodes }: Graph,
  plan: RerunPlan,
  earlier: readonly EarlierNode[],
): number[] {
  return nodes.flatMap((node, index) => {
    if (plan[index]?.action !== 'execute' || !isWork(node) || node.map !== undefined) return []
    const known = node.upstreams.filter((upstream) => plan[upstream]?.action !== 'execute')
    const isReady = known.length === node.upstreams.length || hasFired(node, known, earlier)
    return isReady ? [index] : []
  })
}

/** Does a worker execute it? */
function isWork(node: GraphNode): boolean {
  return isWorkNode(node) || node.kind === 'map'
}

/** The items of maps are not planned yet. */
function checkGraph({ flow, nodes }: Graph): void {
  const map = nodes.find(({ kind }) => kind === 'map')
  if (!map) return
  throw new RepriseError(
    'run_state',
    `a run of ${flow} can't be repeated from its failure, because it has a map (${map.key}), whose items can't be reused yet; rerun it with the strategy 'all'`,
  )
}

/** Why each node that executes does. Adds what follows from what was found, until nothing does. */
function executedNodes(
  nodes: readonly GraphNode[],
  earlier: readonly EarlierNode[],
): Map<number, RerunReason> {
  const found = new Map<number, RerunReason>()
  const open: number[] = []
  const add = (index: number, reason: RerunReason) => {
    if (found.has(index)) return
    found.set(index, reason)
    open.push(index)
  }
  const dependants = dependantsOf(nodes)
  for (const index of nodes.keys()) {
    const reason = ownReason(earlier[index])
    if (reason) add(index, reason)
  }
  for (let index = open.pop(); index !== undefined; index = open.pop()) {
    for (const dependant of dependants[index] ?? []) add(dependant, 'upstream_executes')
    for (const upstream of nodes[index]?.upstreams ?? []) {
      if (hasFailed(earlier[upstream])) add(upstream, 'needed_by_failed')
    }
  }
  return found
}

function ownReason(node: EarlierNode | undefined): RerunReason | null {
  if (!node || !isFinalNodeState(node.state) || node.state === 'cancelled') return 'not_finished'
  if (node.state !== 'failed' && node.state !== 'upstream_failed') return null
  return node.forgiven ? null : node.state
}

function hasFailed(node: EarlierNode | undefined): boolean {
  return node?.state === 'failed' || node?.state === 'upstream_failed'
}

function kept(node: EarlierNode | undefined): PlannedNode {
  if (node?.state === 'skipped') return { action: 'skip', reason: 'skipped' }
  return { action: 'reuse', reason: node?.forgiven ? 'forgiven' : 'succeeded' }
}

function dependantsOf(nodes: readonly GraphNode[]): number[][] {
  const dependants = nodes.map((): number[] => [])
  for (const [index, { upstreams }] of nodes.entries()) {
    for (const upstream of upstreams) dependants[upstream]?.push(index)
  }
  return dependants
}

/** A trigger that fires before all upstreams are final may have fired already. No reused upstream has failed. */
function hasFired(
  node: GraphNode,
  known: readonly number[],
  earlier: readonly EarlierNode[],
): boolean {
  if (!isWorkNode(node) || known.length === 0) return false
  const { trigger, skipOnUpstreamSkip } = node
  if (trigger !== 'any_success_fast') return false
  const stopsAtSkips = skipOnUpstreamSkip ?? propagatesSkips(trigger)
  return !stopsAtSkips || known.every((upstream) => earlier[upstream]?.state !== 'skipped')
}
