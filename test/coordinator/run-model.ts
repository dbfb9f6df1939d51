import type { SkipReason } from '../../src/coordinator/run-snapshot.ts'
import type { FinalNodeState } from '../../src/core/states.ts'
import type { CompiledGraph } from '../../src/flow/compile.ts'
import type { GraphNode, TaskNode } from '../../src/flow/graph.ts'

/** What happens to a node's attempts, one after the other; the last is final unless a crash loop comes first. */
export type Step =
  | 'crash'
  | 'retry'
  | 'interrupted'
  | 'succeed'
  | 'fail'
  /** The handler throws `Skip`. */
  | 'skip'
  /** Its condition is not true: the handler isn't called. */
  | 'unmet'

/** How a node should end, by section 4 of the design. */
export interface ExpectedNode {
  readonly state: FinalNodeState
  readonly attempts: number
  readonly forgiven: boolean
  readonly causedBy: string | null
  readonly causes: readonly string[]
  readonly skipReason: SkipReason | null
}

export interface ExpectedRun {
  readonly state: 'succeeded' | 'failed'
  readonly nodes: readonly ExpectedNode[]
}

/** What becomes of a node that doesn't run. */
type Verdict =
  | 'runs'
  | 'succeeded'
  | 'upstream_failed'
  | Exclude<SkipReason, 'condition' | 'thrown'>

interface Ended {
  readonly state: FinalNodeState
  readonly attempts: number
  readonly skipReason: SkipReason | null
  /** The indices of the failed nodes that made this one upstream_failed, as its upstreams name them. */
  readonly causes: readonly number[]
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
    const verdict = verdictOn(node, ended)
    ended.push(
      verdict === 'runs' ? runAttempts(stepsOf(index), maxCrashes) : endWith(verdict, node, ended),
    )
  }
  const forgiven = forgivenNodes(graph.nodes, ended)
  const keyOf = (index: number) => graph.nodes[index]?.key ?? ''
  const nodes = ended.map(({ state, attempts, skipReason, causes }, index) => ({
    state,
    attempts,
    forgiven: forgiven.has(index),
    causedBy: causes[0] === undefined ? null : keyOf(causes[0]),
    causes: causes.map(keyOf),
    skipReason,
  }))
  const decisive = graph.succeedsWhen ?? nodes.keys()
  const isGreen = [...decisive].every((index) => {
    const node = nodes[index]
    return node?.forgiven || !hasFailed(node?.state)
  })
  return { state: isGreen ? 'succeeded' : 'failed', nodes }
}

function hasFailed(state: FinalNodeState | undefined): boolean {
  return state === 'failed' || state === 'upstream_failed'
}

function endWith(
  verdict: Exclude<Verdict, 'runs'>,
  node: GraphNode,
  ended: readonly Ended[],
): Ended {
  const nothing = { attempts: 0, skipReason: null, causes: [] }
  if (verdict === 'succeeded') return { ...nothing, state: verdict }
  if (verdict !== 'upstream_failed') return { ...nothing, state: 'skipped', skipReason: verdict }
  const causes = node.upstreams.flatMap((up) =>
    ended[up]?.state === 'failed' ? [up] : (ended[up]?.causes ?? []),
  )
  return { ...nothing, state: verdict, causes: [...new Set(causes)] }
}

function verdictOn(node: GraphNode, ended: readonly Ended[]): Verdict {
  const states = node.upstreams.map((index) => ended[index]?.state)
  const someFailed = states.some(hasFailed)
  switch (node.kind) {
    case 'task': {
      const verdict = states.length === 0 ? 'runs' : triggerVerdict(node, states)
      const propagates = node.skipOnUpstreamSkip ?? node.trigger === 'all_success'
      const isStopped = verdict === 'runs' && propagates && states.includes('skipped')
      return isStopped ? 'upstream_skipped' : verdict
    }
    case 'gate':
      return someFailed ? 'succeeded' : 'not_needed'
    case 'settled':
      return 'succeeded'
    case 'join':
    case 'first':
      if (states.includes('succeeded')) return 'succeeded'
      return someFailed ? 'upstream_failed' : 'upstream_skipped'
    default:
      throw new Error(`the model has no maps: ${node.key}`)
  }
}

/** What docs/flows.md says of each trigger, on its own: whether the node may run, before skips are propagated. */
function triggerVerdict(
  { trigger }: TaskNode,
  states: readonly (FinalNodeState | undefined)[],
): Verdict {
  const failed = states.filter(hasFailed)
  // A skip that doesn't propagate is as good as a success.
  const fine = states.filter((state) => !hasFailed(state))
  const orFail = (fires: boolean) => (fires ? 'runs' : 'upstream_failed')
  const orNot = (fires: boolean) => (fires ? 'runs' : 'not_needed')
  switch (trigger) {
    case 'all_success':
    case 'none_failed':
      return orFail(fine.length === states.length)
    case 'any_success':
    case 'any_success_fast':
      return orFail(fine.length > 0)
    case 'none_failed_min_one_success':
      if (failed.length > 0) return 'upstream_failed'
      return states.includes('succeeded') ? 'runs' : 'upstream_skipped'
    case 'all_failed':
      return orNot(states.every(hasFailed))
    case 'any_failed':
    case 'any_failed_fast':
      return orNot(failed.length > 0)
    case 'all_done':
      return 'runs'
    case 'none_skipped':
      return states.includes('skipped') ? 'upstream_skipped' : 'runs'
    case 'all_skipped':
      return orNot(states.every((state) => state === 'skipped'))
    default: {
      const counted = trigger.of === 'failed' ? failed.length : fine.length
      const isFraction = trigger.count > 0 && trigger.count < 1
      const wanted = isFraction ? trigger.count * states.length : trigger.count
      const fires = trigger.kind === 'at_least' ? counted >= wanted : counted <= wanted
      const waitsForFailure = (trigger.kind === 'at_least') === (trigger.of === 'failed')
      return waitsForFailure ? orNot(fires) : orFail(fires)
    }
  }
}

function runAttempts(steps: readonly Step[], maxCrashes: number): Ended {
  let crashes = 0
  const ended = (
    state: FinalNodeState,
    attempts: number,
    skipReason: SkipReason | null = null,
  ) => ({
    state,
    attempts,
    skipReason,
    causes: [],
  })
  for (const [i, step] of steps.entries()) {
    if (step === 'succeed') return ended('succeeded', i + 1)
    if (step === 'skip') return ended('skipped', i + 1, 'thrown')
    if (step === 'unmet') return ended('skipped', i, 'condition')
    if (step === 'crash') crashes++
    if (step === 'fail' || crashes > maxCrashes) return ended('failed', i + 1)
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
