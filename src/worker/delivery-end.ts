import { DelayedError, type Job, UnrecoverableError } from 'bullmq'

/** How a delivery ends (R9): exactly one of these, and only when every attempt granted to it is settled or refused. */
export type DeliveryEnd =
  /** The ticket's row is empty: the job is done. */
  | { readonly kind: 'completed' }
  /** The row holds only finally failed nodes: the job fails, with the first one's message. */
  | { readonly kind: 'failed'; readonly message: string }
  /** The row's only node is retried in place (R7): the job is delayed, and its error is to be seen in the queue. */
  | { readonly kind: 'retrying'; readonly waitMs: number; readonly message: string }
  /** The job comes again, and no attempt of BullMQ's is counted: early, parked, or handed back in doubt. */
  | { readonly kind: 'later'; readonly waitMs: number; readonly why: string }
  /** The lease is somebody else's: the job is not touched. */
  | { readonly kind: 'lost' }

/** The due times of in-place retries, by the error that is thrown for them: what BullMQ's backoff strategy looks up. */
const dueTimes = new WeakMap<Error, number>()

/** How long BullMQ delays a job after an error that it should not know: never a final failure. */
const UNKNOWN_ERROR_DELAY_MS = 1_000

/**
 * BullMQ's `settings.backoffStrategy`: it evaluates no policy, it only looks up what was decided and stored. One more
 * ms, because BullMQ's clock is not Redis': a claim before its time comes back as `early`.
 */
export function storedBackoff(_made: number, _type?: string, error?: Error): number {
  const dueAt = error && dueTimes.get(error)
  if (dueAt === undefined) return UNKNOWN_ERROR_DELAY_MS
  return Math.max(1, Math.ceil(dueAt - performance.now()) + 1)
}

/** Ends a BullMQ job's processing as its delivery ended: returns, or throws what makes BullMQ do the right thing. */
export async function endJob(job: Job, token: string, end: DeliveryEnd): Promise<void> {
  switch (end.kind) {
    case 'completed':
      return
    case 'failed':
      throw new UnrecoverableError(end.message)
    case 'retrying': {
      const error = new Error(end.message)
      dueTimes.set(error, performance.now() + end.waitMs)
      throw error
    }
    case 'later':
      await job.moveToDelayed(Date.now() + end.waitMs, token)
      throw new DelayedError(end.why)
    case 'lost':
      throw new DelayedError('the lease was lost')
  }
}
