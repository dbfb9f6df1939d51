import type { Reruns } from '../coordinator/reruns.ts'
import type { RunSnapshot } from '../coordinator/run-snapshot.ts'
import { RepriseError } from '../core/errors.ts'
import type { Queues } from '../producer/queues.ts'
import type { RunSource } from '../producer/run-source.ts'

/** What operations on runs work with. */
export interface RunOperations {
  readonly source: RunSource
  readonly reruns: Reruns
  readonly queues: Queues
}

/**
 * Reads a run on which something is to be done.
 *
 * @throws RepriseError `unknown_run` when no worker has opened such a run; `run_state` for a rerun that none has opened yet
 */
export async function readOpened({ source }: RunOperations, runId: string): Promise<RunSnapshot> {
  const run = await source.reader.read(runId)
  if (run) return run
  if (await source.reader.readCreating(runId)) {
    throw stateError(`no worker has opened the rerun ${runId} yet`)
  }
  throw new RepriseError('unknown_run', `there is no run ${runId} that a worker has opened`)
}

/** The run's state does not allow what was asked for. */
export function stateError(message: string): RepriseError {
  return new RepriseError('run_state', message)
}
