import type { LoggedAttempt } from '../../src/coordinator/run-record.ts'
import type { NodeSnapshot, RunSnapshot } from '../../src/coordinator/run-snapshot.ts'

/** A run that was opened at 0, with these nodes. */
export function run(nodes: readonly NodeSnapshot[], parts: Partial<RunSnapshot> = {}): RunSnapshot {
  return {
    id: '0-01JD2Y4S5T6V7W8X9YZABCDEFG',
    flow: 'example',
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
    openedAt: 0,
    endedAt: null,
    refusal: null,
    nodes,
    graph: null,
    ...parts,
  }
}

/** A node that calls a task, and has not begun unless `parts` say so. */
export function node(key: string, parts: Partial<NodeSnapshot> = {}): NodeSnapshot {
  return {
    key,
    index: 0,
    kind: 'task',
    task: key,
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
    ...parts,
  }
}

/** An ended attempt that did not succeed; its policy allows five retries. */
export function attempt(
  number: number,
  startedAt: number,
  endedAt: number,
  kind: LoggedAttempt['kind'] = 'error',
): LoggedAttempt {
  if (kind === 'retried')
    return { attempt: 0, kind, startedAt, endedAt, error: null, decision: null }
  return {
    attempt: number,
    kind,
    startedAt,
    endedAt,
    error: { name: 'HttpError', names: ['HttpError', 'Error'], message: '503 Service Unavailable' },
    decision: {
      action: 'retry',
      rule: 'policy',
      baseMs: 2_000,
      random: 0.65,
      delayMs: 1_300,
      retryNumber: number,
      maxRetries: 5,
    },
  }
}
