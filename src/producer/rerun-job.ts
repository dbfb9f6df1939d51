import type { Place } from '../coordinator/answers.ts'
import { ENVELOPE_VERSION, type TicketData } from './envelope.ts'
import { DEFAULT_QUEUE, JOB_OPTIONS } from './job-options.ts'
import type { Queues } from './queues.ts'

/** A rerun whose job is to be added. */
export interface RerunToAdd {
  readonly runId: string
  readonly flow: string
  /** Null for the default. */
  readonly place: Place | null
}

/** The queue of a rerun's job. */
export function rerunQueue({ place }: Pick<RerunToAdd, 'place'>): string {
  return place?.queue ?? DEFAULT_QUEUE
}

/** Adds the job of a rerun that was made. Adding one that exists is a no-op. */
export async function addRerunJob(
  queues: Queues,
  { runId, flow, place }: RerunToAdd,
  delayMs: number,
): Promise<void> {
  const data: TicketData = { v: ENVELOPE_VERSION, run: runId, ticket: 0, flow, node: '', size: 1 }
  const priority = place?.priority ?? 0
  await queues.add(rerunQueue({ place }), flow, data, {
    ...JOB_OPTIONS,
    jobId: runId,
    ...(delayMs > 0 ? { delay: delayMs } : {}),
    ...(priority > 0 ? { priority } : {}),
  })
}
