import type { RedisConnection } from '../coordinator/connection.ts'
import type { ShardKeys } from '../coordinator/keys.ts'
import { RunReader } from '../coordinator/run-reader.ts'
import type { RunSnapshot } from '../coordinator/run-snapshot.ts'
import { RepriseError } from '../core/errors.ts'
import { isRunId, newRunId } from '../core/ids.ts'
import { creatingRun, type QueuedRun, queuedRun } from './queued-run.ts'
import type { Queues } from './queues.ts'

/** Where runs are read: those that a worker has opened from their state, the others from the queue in which they wait. */
export class RunSource {
  readonly reader: RunReader
  readonly #queues: Queues

  /** The connection stays its owner's. */
  constructor(redis: RedisConnection, keys: ShardKeys, queues: Queues) {
    this.reader = new RunReader(redis, keys)
    this.#queues = queues
  }

  /**
   * The run as it is now. `queue`: where its job waits until a worker opens it.
   *
   * @throws RepriseError `unknown_run` when neither a run nor a job with this id exists
   */
  async find(runId: string, queue: string): Promise<RunSnapshot | QueuedRun> {
    const run = await this.reader.read(runId)
    if (run) return run
    const creating = await this.reader.readCreating(runId)
    if (creating) return creatingRun(creating, Date.now())
    const job = await this.#queues.get(queue).getJob(runId)
    const jobState = await job?.getState()
    if (job && jobState && jobState !== 'failed') return queuedRun(runId, job, jobState)
    // A worker may have taken the job over since the run was read, and may even have ended it.
    const opened = await this.reader.read(runId)
    if (opened) return opened
    if (job) return queuedRun(runId, job, 'failed')
    throw new RepriseError(
      'unknown_run',
      `there is no run ${runId}, and no job with this id in the queue ${queue}; ended runs are removed after their retention`,
    )
  }
}

/** @throws RepriseError (`unknown_run`) for a text that has no run id's form */
export function expectRunId(runId: string): void {
  if (isRunId(runId)) return
  throw new RepriseError(
    'unknown_run',
    `expected a run id such as ${newRunId(0)}, got ${JSON.stringify(runId)}`,
  )
}
