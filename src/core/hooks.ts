import type { Failure, RecordedDecision } from './failure.ts'
import type { FinalRunState } from './states.ts'

/** Where something happened. */
export interface AttemptInfo {
  readonly runId: string
  readonly flow: string
  readonly node: string
  /** The task's name; `flow:<name>` for a node that waits for a child run. */
  readonly task: string
  readonly attempt: number
  readonly queue: string
}

/**
 * What the producer and the worker tell whoever watches (metrics, tracing). Every hook is synchronous and must not
 * throw; one that does is logged and ignored.
 */
export interface Hooks {
  /** A run was handed to Redis. */
  onRunEnqueued?(info: { readonly runId: string; readonly flow: string }): void
  /** A run was opened by this worker. */
  onRunOpened?(info: { readonly runId: string; readonly flow: string }): void
  /** A settle of this worker ended a run, or a claim that found its last node lost once too often. */
  onRunEnded?(info: {
    readonly runId: string
    readonly flow: string
    readonly state: FinalRunState
  }): void
  /** An attempt was granted. One of the next three hooks follows, unless its condition is not true or its lease is lost. */
  onAttemptStarted?(info: AttemptInfo): void
  /** An attempt's end was recorded. `failure` and `decision` are null after a success and after a `Skip`. */
  onAttemptEnded?(
    info: AttemptInfo & {
      readonly durationMs: number
      readonly failure: Failure | null
      readonly decision: RecordedDecision | null
    },
  ): void
  /**
   * The grant was given back before its handler was called: the node waits, and spent no attempt. `child`: the attempt has
   * started a child run, and is granted again (`onAttemptStarted`) when that has ended.
   */
  onAttemptParked?(
    info: AttemptInfo & {
      readonly waitsFor: 'no_handler' | 'budget' | 'breaker' | 'lock' | 'child'
    },
  ): void
  /** A move of this worker was refused, so the attempt's outcome was not recorded by it. */
  onRefused?(info: AttemptInfo & { readonly answer: string }): void
}
