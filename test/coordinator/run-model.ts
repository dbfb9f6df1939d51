import type { FinalNodeState } from '../../src/core/states.ts'
import type { CompiledGraph } from '../../src/flow/compile.ts'
import type { GraphNode } from '../../src/flow/graph.ts'

/** What happens to a node's attempts, one after the other; the last is final unless a crash loop comes first. */
export type Step = 'crash' | 'retry' | 'interrupted' | 'succeed' | 'fail'

/** How a node should end, by section 4 of the design. */
export interface ExpectedNode {
  readonly state: FinalNodeState
  readonly attempts: number
  readonly forgiven: boolean
  readonly causedBy: string | null
}

export interface ExpectedRun {
  readonly state: 'succeeded' | 'failed'
  readonly nodes: readonly ExpectedNode[]
}

interface Ended {
  state: FinalNodeState
  attempts: number
  /** The index of the node whose failure made this one upstream_failed. */
  cause: number | null
}

/**
 * How a run of the graph ends if each node that starts goes through its steps. Upstreams come before their dependants,
 * so one pass in the order of the graph says it all.
 */
export function expectedRun(
  { graph }: CompiledGraph,
  stepsOf: (index: number) => readonly Step[],
  maxCrashes: number,
): ExpectedRun {
  const ended: Ended[] = []
  for (const [index, node] of graph.nodes.entries()) {
    const state = stateBeforeRunning(node, ended)
    if (state === 'runs') ended.push({ ...runAttempts(stepsOf(index), maxCrashes), cause: null })
    else
      ended.push({
        state,
        attempts: 0,
        cause: state === 'upstream_failed' ? causeOf(node, ended) : null,
      })
  }
  const forgiven = forgivenNodes(graph.nodes, ended)
  const nodes = ended.map(({ state, attempts, cause }, index) => ({
    state,
    attempts,
    forgiven: forgiven.has(index),
    causedBy: cause === null ? null : (graph.nodes[cause]?.key ?? null),
  }))
  const isGreen = nodes.every(({ state, forgiven }) => forgiven || !hasFailed(state))
  return { state: isGreen ? 'succeeded' : 'failed', nodes }
}

function hasFailed(state: FinalNodeState | undefined): boolean {
  return state === 'failed' || state === 'upstream_failed'
}

function stateBeforeRunning(node: GraphNode, ended: readonly Ended[]): FinalNodeState | 'runs' {
  const states = node.upstreams.map((index) => ended[index]?.state)
  const someFailed = states.some(hasFailed)
  switch (node.kind) {
    case 'task':
      if (node.trigger === 'any_failed') return someFailed ? 'runs' : 'skipped'
      if (someFailed) return 'upstream_failed'
      return states.includes('skipped') ? 'skipped' : 'runs'
    case 'gate':
      return someFailed ? 'succeeded' : 'skipped'
    case 'settled':
      return 'succeeded'
    case 'join':
      if (states.includes('succeeded')) return 'succeeded'
      return someFailed ? 'upstream_failed' : 'skipped'
  }
}

function causeOf(node: GraphNode, ended: readonly Ended[]): number | null {
  const first = node.upstreams.find((index) => hasFailed(ended[index]?.state))
  if (first === undefined) return null
  return ended[first]?.state === 'failed' ? first : (ended[first]?.cause ?? null)
}

function runAttempts(
  steps: readonly Step[],
  maxCrashes: number,
): { state: FinalNodeState; attempts: number } {
  let crashes = 0
  for (const [i, step] of steps.entries()) {
    if (step === 'succeed') return { state: 'succeeded', attempts: i + 1 }
    if (step === 'crash') crashes++
    if (step === 'fail' || crashes > maxCrashes) return { state: 'failed', attempts: i + 1 }
  }
  throw new Error(`steps without an end: ${steps.join()}`)
}

/** A join that succeeded forgives its first upstream and, as long as those failed by others, all that made it fail. */
function forgivenNodes(nodes: readonly GraphNode[], ended: readonly Ended[]): Set<number> {
  const forgiven = new Set<number>()
  const forgive = (index: number): void => {
    const state = ended[index]?.state
    if (!hasFailed(state)) return
    forgiven.add(index)
    if (state === 'upstream_failed') for (const up of nodes[index]?.upstreams ?? []) forgive(up)
  }
  for (const [index, { kind, upstreams }] of nodes.entries()) {
    const [first] = upstreams
    if (kind === 'join' && ended[index]?.state === 'succeeded' && first !== undefined)
      forgive(first)
  }
  return forgiven
}
