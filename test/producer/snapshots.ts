import type { LoggedAttempt } from '../../src/coordinator/run-record.ts'
import type { NodeSnapshot, RunSnapshot } from '../../src/coordinator/run-snapshot.ts'
import type { CompiledGraph } from '../../src/flow/compile.ts'

export const OPENED_AT = 1_000_000

/** A run as it was read at some moment; nodes that are not given are pending. */
export function snapshot(
  graph: CompiledGraph,
  nodes: Readonly<Record<string, Partial<NodeSnapshot>>> = {},
  run: Partial<RunSnapshot> = {},
): RunSnapshot {
  return {
    id: '0-run',
    flow: graph.graph.flow,
    rootId: '0-run',
    parent: null,
    rerun: null,
    reruns: [],
    runRetry: null,
    willRetry: false,
    retriedBy: null,
    retryDecision: null,
    children: [],
    tags: [],
    input: {},
    state: 'running',
    openedAt: OPENED_AT,
    endedAt: null,
    refusal: null,
    graph,
    nodes: graph.graph.nodes.map((node, index) => ({
      key: node.key,
      index,
      kind: node.kind,
      task: node.kind === 'task' ? node.task : null,
      state: 'pending',
      waitingFor: null,
      waitingForRun: null,
      waitingForLock: null,
      childFlow: null,
      waitingSince: null,
      forgiven: false,
      reused: false,
      attempts: 0,
      retriesUsed: 0,
      crashes: 0,
      startedAt: null,
      endedAt: null,
      dueAt: null,
      causedBy: null,
      causes: [],
      skipReason: null,
      log: [],
      ...nodes[node.key],
    })),
    ...run,
  }
}

/** An attempt that failed, from `start` to `end` after the opening of the run. */
export function failedAttempt(
  attempt: number,
  start: number,
  end: number,
  decision: LoggedAttempt['decision'] = { action: 'stop', reason: 'exhausted' },
): LoggedAttempt {
  return {
    attempt,
    kind: 'error',
    startedAt: OPENED_AT + start,
    endedAt: OPENED_AT + end,
    error: { name: 'Error', names: ['Error'], message: `attempt ${attempt}` },
    decision,
  }
}

/** A retry by hand. */
export function retriedAt(time: number): LoggedAttempt {
  const at = OPENED_AT + time
  return { attempt: 0, kind: 'retried', startedAt: at, endedAt: at, error: null, decision: null }
}
