import { RunFailed } from '../core/errors.ts'
import type { RecordedDecision, StopReason } from '../core/failure.ts'
import { culpritOf } from './culprit.ts'
import { failureOfEntry } from './run-record.ts'
import type { RunSnapshot } from './run-snapshot.ts'

/** The error that an ended run which didn't succeed stands for. */
export function runFailed(run: RunSnapshot): RunFailed {
  const state = run.state === 'cancelled' ? 'cancelled' : 'failed'
  if (run.refusal) {
    const { reason, error } = run.refusal
    const failure = { kind: 'error', error } as const
    return new RunFailed({
      runId: run.id,
      state,
      node: null,
      attempts: 0,
      reason,
      failure,
      willRetry: false,
    })
  }
  const culprit = culpritOf(run)
  const last = culprit?.log.at(-1)
  return new RunFailed({
    runId: run.id,
    state,
    node: culprit?.key ?? null,
    attempts: culprit?.attempts ?? 0,
    reason: reasonOf(state, last?.decision ?? null),
    failure: last ? failureOfEntry(last) : null,
    willRetry: run.willRetry,
  })
}

function reasonOf(state: RunFailed['state'], decision: RecordedDecision | null): StopReason {
  if (state === 'cancelled') return 'cancelled'
  return decision?.action === 'stop' ? decision.reason : 'exhausted'
}
