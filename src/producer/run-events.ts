import type { NodeSnapshot, RunSnapshot } from '../coordinator/run-snapshot.ts'
import type { FailureKind, RecordedDecision, StoredError } from '../core/failure.ts'
import {
  type FinalNodeState,
  type FinalRunState,
  isFinalNodeState,
  isFinalRunState,
} from '../core/states.ts'
import { isWorkNode } from '../flow/graph.ts'

/** Something that happened in a run. `at` is epoch ms by Redis' clock. */
export type RunEvent =
  | { readonly type: 'run.opened'; readonly at: number }
  | {
      readonly type: 'attempt.started'
      readonly at: number
      readonly node: string
      readonly attempt: number
    }
  | {
      readonly type: 'attempt.failed'
      readonly at: number
      readonly node: string
      readonly attempt: number
      readonly kind: FailureKind
      readonly error: StoredError | null
      readonly decision: RecordedDecision | null
    }
  | {
      /**
       * The attempt has started a child run, and goes on when that has ended. Told only to readers that look while it
       * waits: of a wait that is over nothing is stored.
       */
      readonly type: 'node.waiting'
      readonly at: number
      readonly node: string
      /** The id of the child run. */
      readonly childRun: string
    }
  | { readonly type: 'node.retried'; readonly at: number; readonly node: string }
  | {
      readonly type: `node.${FinalNodeState}`
      readonly at: number
      readonly node: string
    }
  | { readonly type: 'run.ended'; readonly at: number; readonly state: FinalRunState }

/**
 * What happened between two readings of a run, in order of time. Events are derived from stored state, never from
 * messages, so a reader that comes late or loses its connection sees the same story.
 *
 * @param before the earlier reading; null to begin at the beginning
 */
export function eventsBetween(before: RunSnapshot | null, after: RunSnapshot): RunEvent[] {
  const events: RunEvent[] = before ? [] : [{ type: 'run.opened', at: after.openedAt }]
  const earlier = new Map(before?.nodes.map((node) => [node.index, node]))
  for (const node of after.nodes) {
    if (isWorkNode(node) && !node.reused)
      events.push(...nodeEvents(earlier.get(node.index) ?? null, node, after))
  }
  events.sort((a, b) => a.at - b.at)
  const ended = isFinalRunState(after.state) && before?.state !== after.state
  if (ended && isFinalRunState(after.state)) {
    events.push({ type: 'run.ended', at: after.endedAt ?? after.openedAt, state: after.state })
  }
  return events
}

function nodeEvents(
  before: NodeSnapshot | null,
  after: NodeSnapshot,
  run: RunSnapshot,
): RunEvent[] {
  const node = after.key
  const events: RunEvent[] = []
  for (const entry of after.log.slice(before?.log.length ?? 0)) {
    const { attempt, kind, startedAt, endedAt, error, decision } = entry
    if (kind === 'retried') {
      events.push({ type: 'node.retried', at: endedAt, node })
      continue
    }
    if (attempt > (before?.attempts ?? 0)) {
      events.push({ type: 'attempt.started', at: startedAt, node, attempt })
    }
    // The node's own event tells of it.
    if (kind === 'skipped') continue
    events.push({ type: 'attempt.failed', at: endedAt, node, attempt, kind, error, decision })
    if (decision?.action === 'stop') events.push({ type: 'node.failed', at: endedAt, node })
  }
  const lastLogged = after.log.at(-1)?.attempt ?? 0
  const isNew = after.attempts > Math.max(before?.attempts ?? 0, lastLogged)
  if (isNew && after.startedAt !== null) {
    events.push({ type: 'attempt.started', at: after.startedAt, node, attempt: after.attempts })
  }
  if (after.waitingForRun !== null && after.waitingForRun !== before?.waitingForRun) {
    const childRun = after.waitingForRun
    events.push({ type: 'node.waiting', at: after.waitingSince ?? run.openedAt, node, childRun })
  }
  // A final failure stands in the log: it is told also when somebody has retried the node since.
  if (after.state !== before?.state && isFinalNode(after) && after.state !== 'failed') {
    events.push({ type: `node.${after.state}`, at: endOf(after, run), node })
  }
  return events
}

function isFinalNode(
  node: NodeSnapshot,
): node is NodeSnapshot & { readonly state: FinalNodeState } {
  return isFinalNodeState(node.state)
}

// A node that never ran has no time of its own: it ended with the node that caused it, or with the last thing that the
// run recorded.
function endOf(node: NodeSnapshot, run: RunSnapshot): number {
  const cause = run.nodes.find(({ key }) => key === node.causedBy)
  return node.endedAt ?? cause?.endedAt ?? lastChange(run)
}

function lastChange(run: RunSnapshot): number {
  const times = run.nodes.flatMap((node) => [node.endedAt ?? 0, node.log.at(-1)?.endedAt ?? 0])
  return Math.max(run.openedAt, ...times)
}
