import type { Job } from 'bullmq'
import { foreignRunId, isRunId } from '../core/ids.ts'
import { JOB_OPTIONS } from '../producer/job-options.ts'

/** What a delivery needs to know of its BullMQ job: nothing below this line of the worker touches BullMQ. */
export interface DeliveredJob {
  readonly id: string
  readonly queue: string
  /** Unique over queues: `queue:id`. */
  readonly name: string
  readonly token: string
  readonly priority: number
  readonly data: unknown
  /** How often it has been delivered, this time included. */
  readonly started: number
  /** `<stalled count>.<failed attempts>`: tells a redelivery from a retry by hand. */
  readonly seen: string
  /** True if no delivery of the job came before, so that its run can't exist yet. */
  readonly isFirstDelivery: boolean
  /**
   * True if its run, where it is unknown, can't have expired (R17): the job has no failed attempt behind it, or is younger
   * than the shortest retention (Redis may have lost the run with its tail, R22).
   */
  readonly isFresh: boolean
  /** The id of its run, for a job that somebody enqueued: its own, or made from it (R18). */
  readonly runId: string
  /** What the job's progress field holds: since when a handler has been missing. */
  readonly progress: unknown
  setProgress(progress: object): Promise<void>
}

// Retention begins at the run's end, and is an hour at least.
const SHORTEST_RETENTION_MS = 3_600_000

// A job of somebody else has options of its own: with these BullMQ asks our backoff strategy, and never fails a job for
// good because handing it back failed.
function takeOver(job: Job): void {
  job.opts.attempts = JOB_OPTIONS.attempts
  job.opts.backoff = JOB_OPTIONS.backoff
}

// BullMQ's `retry` can reset the count of failed attempts; the stack traces stay, and show that there was one.
const RESET_MARK = 1_000_000_000

function failuresSeen({ attemptsMade, stacktrace }: Job): number {
  return attemptsMade === 0 ? RESET_MARK * (stacktrace?.length ?? 0) : attemptsMade
}

/** Reads a BullMQ job. */
export function deliveredJob(job: Job, token: string, shard: number): DeliveredJob {
  const id = job.id ?? ''
  takeOver(job)
  const isUntried = job.attemptsMade === 0 && !job.stacktrace?.length
  const ageMs = Date.now() - job.timestamp - job.delay
  return {
    id,
    queue: job.queueName,
    name: `${job.queueName}:${id}`,
    token,
    priority: job.priority,
    data: job.data,
    started: job.attemptsStarted,
    seen: `${job.stalledCounter}.${failuresSeen(job)}`,
    isFirstDelivery: isUntried && job.stalledCounter === 0 && job.attemptsStarted <= 1,
    isFresh: isUntried || ageMs < SHORTEST_RETENTION_MS,
    runId: isRunId(id) ? id : foreignRunId(shard, job.queueName, id, job.timestamp),
    progress: job.progress,
    setProgress: (progress) => job.updateProgress(progress),
  }
}
