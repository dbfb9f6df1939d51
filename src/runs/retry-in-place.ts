import type { RetryRefusal } from '../coordinator/reruns.ts'
import type { RunSnapshot } from '../coordinator/run-snapshot.ts'
import { RepriseError } from '../core/errors.ts'
import { addTicket, DEFAULT_PLACE } from '../producer/tickets.ts'
import { type RunOperations, readOpened, stateError } from './operations.ts'

/** Retries failed nodes in their run, and adds the jobs of their tickets. See `Runs.retry`. */
export async function retryInPlace(
  operations: RunOperations,
  runId: string,
  key: string | undefined,
): Promise<void> {
  const { source, reruns, queues } = operations
  const run = await readOpened(operations, runId)
  const index = key === undefined ? null : (await source.reader.readNode(run, key)).index
  const answer = await reruns.retryNodes(runId, index)
  if (answer.status === 'refused') throw refused(run, key, answer.reason)
  if (!run.graph) throw new RepriseError('internal', `the run ${runId} has no graph`)
  const owner = { runId, graph: run.graph, place: answer.place ?? DEFAULT_PLACE }
  await Promise.all(answer.toAdd.map((ticket) => addTicket(queues, owner, ticket)))
}

function refused(
  { id, nodes }: RunSnapshot,
  key: string | undefined,
  reason: RetryRefusal,
): RepriseError {
  switch (reason) {
    case 'no_run':
      return new RepriseError('unknown_run', `there is no run ${id} any more`)
    case 'succeeded':
    case 'cancelled':
      return stateError(
        `the run ${id} is ${reason}, so it can't be retried in place; use rerun to execute it in a new run`,
      )
    case 'refused':
      return stateError(`no node of the run ${id} ever ran; enqueue it again`)
    case 'creating':
      return stateError(`no worker has opened the rerun ${id} yet`)
    case 'not_failed':
      return stateError(notFailed(id, nodes, key))
    case 'has_rerun':
      return stateError(
        `the run ${id} was repeated by another run, so it can't be retried in place; rerun that one`,
      )
    case 'descendant_started':
      return stateError(
        `a node that depends on a failed one of the run ${id} has started, so it can't be retried in place; use rerun to execute all of them in a new run`,
      )
  }
}

function notFailed(id: string, nodes: RunSnapshot['nodes'], key: string | undefined): string {
  if (key === undefined) return `no node of the run ${id} has failed`
  const state = nodes.find((node) => node.key === key)?.state
  return `the node ${key} of the run ${id} is ${state}, expected one that has failed`
}
