import { DefinitionError } from '../core/errors.ts'
import type { Build } from './build.ts'
import type { GraphNode, TaskNode } from './graph.ts'

/**
 * What is known of the nodes of a plan B, seen from its gate.
 * `success`: they can't succeed unless the gate did. `failure`: they can't fail unless the gate succeeded.
 */
interface Guarded {
  readonly success: Set<number>
  readonly failure: Set<number>
}

/**
 * Makes sure that no task of a plan starts unless its gate succeeded: a task that could is made to wait for the gate.
 * Nodes that no worker executes are left alone; what they let through is stopped at the tasks behind them.
 *
 * @param first the index of the plan's first node; its last is the last of the build
 * @throws DefinitionError for an `any_failed` task that a failure outside of the plan would start
 */
export function guardPlan(build: Build, gate: number, first: number): void {
  const guarded: Guarded = { success: new Set([gate]), failure: new Set([gate]) }
  for (const [offset, node] of build.nodes.slice(first).entries()) {
    const index = first + offset
    let succeedsOnlyBehind = canOnlySucceedBehind(node, guarded)
    if (node.kind === 'task' && !succeedsOnlyBehind) {
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
      return node.trigger === 'all_success'
        ? node.upstreams.some((upstream) => success.has(upstream))
        : node.upstreams.every((upstream) => failure.has(upstream))
    case 'join':
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
      return (
        startsBehind &&
        (node.trigger === 'any_failed' || node.upstreams.every((upstream) => failure.has(upstream)))
      )
    case 'join':
      return node.upstreams.every((upstream) => failure.has(upstream))
    case 'gate':
    case 'settled':
      return true
  }
}

function waitForGate(node: TaskNode, gate: number): TaskNode {
  if (node.trigger === 'any_failed') {
    throw new DefinitionError(
      `${node.key}: trigger 'any_failed' inside of a plan of orElse() would start it for a failure outside of the plan. Leave the trigger out (a plan runs only after a failure anyway), or put the node outside of the plan`,
    )
  }
  return { ...node, upstreams: [...node.upstreams, gate].sort((a, b) => a - b) }
}
