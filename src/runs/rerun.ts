import { z } from 'zod'
import type { RefusedRerun } from '../coordinator/reruns.ts'
import type { RunSnapshot } from '../coordinator/run-snapshot.ts'
import { RepriseError } from '../core/errors.ts'
import type { RerunStrategy } from '../core/lineage.ts'
import { isFinalRunState } from '../core/states.ts'
import { executesAnything, planRerun } from '../flow/rerun-plan.ts'
import { addRerunJob } from '../producer/rerun-job.ts'
import { rerunOptions } from '../producer/rerun-options.ts'
import { type RunOperations, readOpened, stateError } from './operations.ts'

/** The options of a rerun. */
export interface RerunOptions {
  /**
   * `from-failure`: nodes that failed, were cancelled or never started, and all that depend on them. `all`: every node.
   * @default 'from-failure'
   */
  readonly strategy?: RerunStrategy | undefined
}

const schema = z.strictObject({
  strategy: z.enum(['from-failure', 'all']).default('from-failure'),
})

/** Makes a new run that repeats an ended one, and adds its job. See `Runs.rerun`. */
export async function rerun(
  operations: RunOperations,
  runId: string,
  options: RerunOptions,
): Promise<{ readonly id: string }> {
  const { strategy } = readOptions(options)
  const { reruns, queues } = operations
  const run = await readOpened(operations, runId)
  checkPlan(run, strategy)
  const record = rerunOptions(await reruns.readOptions(runId), run, { by: 'hand', strategy })
  const created = await reruns.create(runId, record, { by: 'hand' }, 0, null)
  if (created.status === 'refused') throw refused(runId, created)
  await addRerunJob(queues, created, 0)
  return { id: created.runId }
}

function readOptions(options: RerunOptions): z.output<typeof schema> {
  const parsed = schema.safeParse(options)
  if (parsed.success) return parsed.data
  throw new RepriseError('options', `rerun options: ${z.prettifyError(parsed.error)}`)
}

function checkPlan({ id, state, graph, nodes }: RunSnapshot, strategy: RerunStrategy): void {
  if (!graph || !isFinalRunState(state)) return
  const plan = planRerun(graph.graph, nodes, strategy)
  if (executesAnything(graph.graph, plan)) return
  throw stateError(
    `nothing in the run ${id} has failed or was left undone, so there is nothing to execute again; rerun it with the strategy 'all'`,
  )
}

function refused(runId: string, { reason, runId: rerunId }: RefusedRerun): RepriseError {
  switch (reason) {
    case 'no_run':
      return new RepriseError('unknown_run', `there is no run ${runId} any more`)
    case 'live':
    case 'changed':
      return stateError(`the run ${runId} has not ended; rerun it when it has`)
    case 'refused':
      return stateError(
        `the run ${runId} was never opened, so there is nothing to repeat; enqueue it`,
      )
    case 'retry_due':
      return stateError(`the run ${runId} is about to be retried automatically`)
    case 'has_live_rerun':
      return stateError(`the run ${runId} is repeated by ${rerunId}, which has not ended`)
    case 'no_graph':
      return stateError(`the graph of the run ${runId} is not stored any more; enqueue it`)
  }
}
