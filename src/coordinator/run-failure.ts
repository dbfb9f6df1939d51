import { RunFailed } from '../core/errors.ts'
import type { RecordedDecision, StopReason } from '../core/failure.ts'
import { failureOfEntry } from './run-record.ts'
import type { NodeSnapshot, RunSnapshot } from './run-snapshot.ts'

/** The error that an ended run which didn't succeed stands for. */
export function runFailed(run: RunSnapshot): RunFailed {
  const state = run.state === 'cancelled' ? 'cancelled' : 'failed'
  if (run.refusal) {
    const { reason, error } = run.refusal
    const failure = { kind: 'error', error } as const
    return new RunFailed({ runId: run.id, state, node: null, attempts: 0, reason, failure })
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
  })
}

/** The node that failed first and was not made up for; or the one that made another fail for which nothing did. */
function culpritOf({ nodes, graph }: RunSnapshot): NodeSnapshot | undefined {
  const decisive = graph?.graph.succeedsWhen?.flatMap((index) => nodes[index] ?? []) ?? nodes
  const [failed] = decisive
    .filter((node) => node.state === 'failed' && !node.forgiven)
    .sort((a, b) => (a.endedAt ?? 0) - (b.endedAt ?? 0))
  if (failed) return failed
  const victim = decisive.find((node) => node.state === 'upstream_failed' && !node.forgiven)
  return nodes.find(({ key }) => key === victim?.causedBy)
}

function reasonOf(state: RunFailed['state'], decision: RecordedDecision | null): StopReason {
  if (state === 'cancelled') return 'cancelled'
  return decision?.action === 'stop' ? decision.reason : 'exhausted'
}
