import { DefinitionError } from '../core/errors.ts'
import type { Build } from './build.ts'
import { type GraphNode, isWorkNode, type MapNode, type WorkNode } from './graph.ts'
import { triggerText, waitsForFailure } from './trigger.ts'
import { countsWhatIsSettled } from './upstreams.ts'

/**
 * What is known of the nodes of a plan B, seen from its gate.
 * `success`: they can't succeed unless the gate did. `failure`: they can't fail unless the gate succeeded.
 */
interface Guarded {
  readonly success: Set<number>
  readonly failure: Set<number>
}

/**
 * Makes sure that no task and no map of a plan starts unless its gate succeeded: one that could is made to wait for it.
 * Nodes that no worker executes are left alone; what they let through is stopped at the tasks behind them.
 *
 * @param first the index of the plan's first node; its last is the last of the build
 * @throws DefinitionError for a task with a trigger that could start although the plan isn't needed
 */
export function guardPlan(build: Build, gate: number, first: number): void {
  const guarded: Guarded = { success: new Set([gate]), failure: new Set([gate]) }
  for (const [offset, node] of build.nodes.slice(first).entries()) {
    const index = first + offset
    if (node.map !== build.frame.map) {
      // Its instances are made by a map of the plan, which waits for the gate.
      guarded.success.add(index)
      guarded.failure.add(index)
      continue
    }
    let succeedsOnlyBehind = canOnlySucceedBehind(node, guarded)
    if ((isWorkNode(node) || node.kind === 'map') && !succeedsOnlyBehind) {
      build.nodes[index] = waitForGate(node, gate)
      succeedsOnlyBehind = true
    }
    if (succeedsOnlyBehind) guarded.success.add(index)
    if (canOnlyFailBehind(node, guarded, succeedsOnlyBehind)) guarded.failure.add(index)
  }
}

function canOnlySucceedBehind(node: GraphNode, { success, failure }: Guarded): boolean {
  switch (node.kind) {
    case 'task':
    case 'run':
      if (!countsWhatIsSettled(node)) {
        return node.upstreams.some((upstream) => success.has(upstream))
      }
      return (
        waitsForFailure(node.trigger) && node.upstreams.every((upstream) => failure.has(upstream))
      )
    case 'map':
    case 'group':
    case 'succeeded':
    case 'item':
      return node.upstreams.some((upstream) => success.has(upstream))
    case 'join':
    case 'first':
      return node.upstreams.every((upstream) => success.has(upstream))
    case 'gate':
      return node.upstreams.every((upstream) => failure.has(upstream))
    case 'settled':
      return false
  }
}

function canOnlyFailBehind(node: GraphNode, { failure }: Guarded, startsBehind: boolean): boolean {
  switch (node.kind) {
    case 'task':
    case 'run':
      return (
        startsBehind &&
        (waitsForFailure(node.trigger) || node.upstreams.every((upstream) => failure.has(upstream)))
      )
    case 'map':
      return startsBehind && node.upstreams.every((upstream) => failure.has(upstream))
    case 'join':
    case 'first':
    case 'group':
    case 'succeeded':
    case 'item':
      return node.upstreams.every((upstream) => failure.has(upstream))
    case 'gate':
    case 'settled':
      return true
  }
}

function waitForGate(node: WorkNode | MapNode, gate: number): WorkNode | MapNode {
  if (isWorkNode(node) && countsWhatIsSettled(node)) {
    const option =
      node.trigger === 'all_success'
        ? 'skipOnUpstreamSkip: false'
        : `trigger ${triggerText(node.trigger)}`
    throw new DefinitionError(
      `${node.key}: ${option} inside of a plan of orElse() would start it although the plan is not needed. Leave it out (a plan runs only after a failure anyway), or put the node outside of the plan`,
    )
  }
  return { ...node, upstreams: [...node.upstreams, gate].sort((a, b) => a - b) }
}
