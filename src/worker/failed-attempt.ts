import type { LoggedAttempt } from '../coordinator/run-record.ts'
import { SerializationError } from '../core/errors.ts'
import { type FailureKind, type RecordedDecision, storeError } from '../core/failure.ts'
import { repeatedRunId } from '../core/ids.ts'
import type { Json } from '../core/json.ts'
import { calleeOf } from '../flow/graph.ts'
import { isSkip } from '../flow/skip.ts'
import { decideRetry } from '../strategies/decide.ts'
import { drawFor } from '../strategies/draw.ts'
import { maxInterruptionsOf } from '../strategies/policy-limits.ts'
import type { Policy } from '../strategies/policy-types.ts'
import type { AttemptAborted } from './aborts.ts'
import { type Attempt, type AttemptSurroundings, lineageOf, sinceRetried } from './attempt.ts'
import { type AttemptEnd, decided, interrupted, skipped, stopped } from './attempt-end.ts'

/** What was known of the call that failed. */
export interface FailedCall {
  readonly policy: Policy | null
  readonly history: readonly LoggedAttempt[]
  readonly input: Json
  /** The key of the lock that it had. */
  readonly lock: string | null
}

/** What comes of an attempt that threw, or was aborted: an end with a decision; null if its lease was lost. */
export async function failed(
  around: AttemptSurroundings,
  attempt: Attempt,
  { policy, history, input, lock }: FailedCall,
  thrown: unknown,
): Promise<AttemptEnd> {
  const { aborted } = attempt.abort
  if (aborted?.abortCause === 'lease_lost') return null
  const error = storeError(aborted ?? thrown)
  const current = sinceRetried(history)
  if (aborted && aborted.abortCause !== 'timeout') return interruption(policy, current, aborted)
  if (!aborted && isSkip(thrown)) return skipped(error)
  const kind: FailureKind = aborted ? 'timeout' : 'error'
  if (thrown instanceof SerializationError && !aborted)
    return stopped(kind, error, 'not_serializable')
  const { runId, node, graph, grant } = attempt
  const { queue, priority } = attempt.place
  const decision = await decideRetry({
    policy,
    failure: {
      kind,
      error,
      attempt: grant.attempt,
      retryNumber: grant.attempt - 1,
      node: node.key,
      task: calleeOf(node),
      flow: graph.graph.flow,
      run: { id: runId, rootId: lineageOf(attempt).rootId },
      input,
      priority,
      queue,
      lock,
      startedAt: grant.startedAt,
      firstStartedAt: current[0]?.startedAt ?? grant.startedAt,
      delays: current.flatMap(({ decision }) =>
        decision?.action === 'retry' ? [decision.delayMs] : [],
      ),
    },
    thrown: aborted ?? thrown,
    retriesUsed: grant.retriesUsed,
    attemptsBefore: await attemptsBefore(around, attempt),
    now: grant.startedAt + (performance.now() - attempt.receivedAt),
    retries: attempt.options.retries ?? around.settings.retries,
    random: () => drawFor(runId, node.key, grant.retriesUsed + 1),
  })
  return decided(kind, error, await possibleDecision(around, attempt, decision))
}

/** The node's attempts in the runs that this one repeats. If Redis can't be read, none: the failure must be settled. */
async function attemptsBefore(
  { coordinator }: AttemptSurroundings,
  { runId, grant }: Attempt,
): Promise<number> {
  let made = 0
  for (let id = repeatedRunId(runId); id !== null; id = repeatedRunId(id)) {
    made += await coordinator.readAttempts(id, grant.index).catch(() => 0)
  }
  return made
}

/** A graceful shutdown and a lost lock cost no retry; only `maxInterruptions` bounds how often. */
function interruption(
  policy: Policy | null,
  history: readonly LoggedAttempt[],
  aborted: AttemptAborted,
): AttemptEnd {
  const error = storeError(aborted)
  const limit = maxInterruptionsOf(policy, error)
  const used = history.filter(({ kind }) => kind === 'interrupted').length
  if (limit === null || used < limit) return interrupted(aborted)
  return stopped('interrupted', error, 'exhausted', `${used} of ${limit} interruptions used`)
}

/**
 * Refuses a decision to retry in a queue that nobody serves, since the node would wait there for ever, and a lock for a node
 * that waits for a child run: no worker is with it then that could renew it.
 */
async function possibleDecision(
  { settings, coordinator }: AttemptSurroundings,
  { node }: Attempt,
  decision: RecordedDecision,
): Promise<RecordedDecision> {
  if (node.kind === 'run' && decision.action === 'retry' && decision.lock) {
    const detail = `${node.key} waits for child runs: it can't have a lock. Give one to a task of the flow ${node.child.flow}`
    return { action: 'stop', reason: 'policy_error', detail }
  }
  const queue = decision.action === 'retry' ? decision.place?.queue : undefined
  if (queue === undefined || settings.queues.has(queue)) return decision
  const { unknownTaskTimeoutMs } = settings
  // If Redis can't be read the decision stands: the handler has run, and its failure must be settled.
  const served = await coordinator.servedQueues(unknownTaskTimeoutMs).catch(() => null)
  if (served === null || served.includes(queue)) return decision
  const detail = `no worker has served the queue ${queue} in the last ${unknownTaskTimeoutMs} ms; served are: ${served.join(', ')}`
  return { action: 'stop', reason: 'policy_error', detail }
}
