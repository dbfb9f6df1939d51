import type { JobsOptions } from 'bullmq'

/** How long BullMQ keeps a failed job, in seconds: no longer than its run is kept by default (R10). */
const FAILED_JOB_AGE_SECONDS = 7 * 24 * 3_600

/** The queue of flows and tasks that name none. */
export const DEFAULT_QUEUE = 'default'

/** BullMQ's event stream is trimmed to about this many entries per queue. */
export const EVENT_STREAM_LENGTH = 1_000

/**
 * The options of every job that we add (R10). `attempts` is never what ends a job: what happens after a failure is
 * decided by our policies and handed to BullMQ through the worker's backoff strategy, which `type` names.
 */
export const JOB_OPTIONS = {
  attempts: 2 ** 31 - 1,
  backoff: { type: 'reprise' },
  removeOnComplete: true,
  removeOnFail: { age: FAILED_JOB_AGE_SECONDS },
  stackTraceLimit: 3,
} as const satisfies JobsOptions
