import type { Failure } from '../core/failure.ts'
import type { Json } from '../core/json.ts'

/** A failure as the worker knows it. All times are ms since 1970 by Redis' clock. */
export interface FailureFacts extends Failure {
  /** The number of the attempt that failed, from 1. */
  readonly attempt: number
  /** `attempt - 1`. */
  readonly retryNumber: number
  /** The node's key. */
  readonly node: string
  readonly task: string
  readonly flow: string
  readonly run: { readonly id: string; readonly rootId: string }
  /** The node's input, as stored. */
  readonly input: Json
  /** BullMQ's priority, 0 first. */
  readonly priority: number
  readonly queue: string
  /** The key of the lock that the attempt held; null if it needed none. */
  readonly lock: string | null
  /** When the attempt that failed started. */
  readonly startedAt: number
  /** When the node's first attempt started. */
  readonly firstStartedAt: number
  /** The delays before the retries so far, in ms, oldest first. */
  readonly delays: readonly number[]
}

/** What `when` is given: the failure, frozen at every level. */
export interface PolicyFailure extends FailureFacts {
  /** The random number of the coming retry, in [0, 1): the one that its jitter uses. */
  readonly random: number
}
