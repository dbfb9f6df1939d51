import type { NodeSnapshot, RunSnapshot } from '../coordinator/run-snapshot.ts'
import type { FailureKind } from '../core/failure.ts'
import type { NodeState, RunState } from '../core/states.ts'
import { isWorkNode } from '../flow/graph.ts'

/** What a run's history tells. All times are in ms. */
export interface RunSummary {
  readonly runId: string
  readonly flow: string
  readonly state: RunState
  /** From its opening to its end; null while it goes on. */
  readonly durationMs: number | null
  /** Every node that workers execute, in the graph's order. */
  readonly nodes: readonly NodeSummary[]
  /** Attempts after a node's first, over all nodes. */
  readonly retries: number
  /** The nodes whose result was kept while others were retried. */
  readonly reused: readonly ReusedNode[]
  /**
   * What running the whole flow again for every retry would have cost more: the sum, over all retries of all nodes, of
   * the execution times of the nodes that had succeeded before that retry started. The execution time of a succeeded
   * node is the length of its last attempt, the one that succeeded. A retry is every started attempt of a node after
   * its first, whatever ended the one before.
   */
  readonly savedMs: number
}

/** What happened at one node. */
export interface NodeSummary {
  readonly key: string
  readonly state: NodeState
  readonly attempts: number
  /** How many attempts ended badly, by kind; a kind that did not occur is absent. */
  readonly failures: { readonly [kind in FailureKind]?: number }
  /** The length of all ended attempts together. */
  readonly executionMs: number
  /** The time between the end of an attempt and the start of the next, all together. */
  readonly waitedMs: number
}

/** A succeeded node, and how often it was spared. */
export interface ReusedNode {
  readonly key: string
  /** The length of the attempt that succeeded. */
  readonly executionMs: number
  /** How many retries of other nodes started after it had succeeded. */
  readonly sparedBy: number
}

interface Attempt {
  readonly startedAt: number
  /** Null while it runs. */
  readonly endedAt: number | null
}

/** Sums up a run from what is stored of it, and from nothing else. */
export function summarise(run: RunSnapshot): RunSummary {
  const nodes = run.nodes.filter(isWorkNode)
  const retryStarts = nodes.flatMap((node) =>
    attemptsOf(node)
      .slice(1)
      .map(({ startedAt }) => startedAt),
  )
  const reused = nodes.flatMap((node) => reuseOf(node, retryStarts))
  return {
    runId: run.id,
    flow: run.flow,
    state: run.state,
    durationMs: run.endedAt === null ? null : run.endedAt - run.openedAt,
    nodes: nodes.map(summariseNode),
    retries: retryStarts.length,
    reused,
    savedMs: sum(reused.map(({ executionMs, sparedBy }) => executionMs * sparedBy)),
  }
}

function summariseNode(node: NodeSnapshot): NodeSummary {
  const attempts = attemptsOf(node)
  return {
    key: node.key,
    state: node.state,
    attempts: node.attempts,
    failures: failuresOf(node),
    executionMs: sum(attempts.map(lengthOf)),
    waitedMs: sum(
      attempts.map(({ endedAt }, index) => {
        const next = attempts[index + 1]
        return next && endedAt !== null ? next.startedAt - endedAt : 0
      }),
    ),
  }
}

/** A node's own retries come before its success, so they never count. */
function reuseOf(node: NodeSnapshot, retryStarts: readonly number[]): ReusedNode[] {
  const { key, state, startedAt, endedAt } = node
  if (state !== 'succeeded' || startedAt === null || endedAt === null) return []
  const sparedBy = retryStarts.filter((start) => start >= endedAt).length
  return sparedBy === 0 ? [] : [{ key, executionMs: endedAt - startedAt, sparedBy }]
}

/** The log holds the attempts that ended badly; the one after them, if there is one, runs or succeeded. */
function attemptsOf(node: NodeSnapshot): Attempt[] {
  const ended: Attempt[] = node.log.filter((entry) => entry.kind !== 'retried')
  const { startedAt, endedAt, state } = node
  const hasAnother = node.attempts > ended.length && startedAt !== null
  return hasAnother
    ? [...ended, { startedAt, endedAt: state === 'running' ? null : endedAt }]
    : ended
}

function failuresOf({ log }: NodeSnapshot): NodeSummary['failures'] {
  const counts: { [kind in FailureKind]?: number } = {}
  for (const { kind } of log) {
    if (kind !== 'retried' && kind !== 'skipped') counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

function lengthOf({ startedAt, endedAt }: Attempt): number {
  return endedAt === null ? 0 : endedAt - startedAt
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
