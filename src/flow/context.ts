import type { Failure } from '../core/failure.ts'
import type { Logger } from '../core/logger.ts'
import type { EnqueueChild } from './enqueue-child.ts'

/** What a handler learns about the attempt that it is: its second argument. */
export interface TaskContext {
  /** The run that this attempt belongs to. */
  readonly run: RunInfo
  /** The key of the node, such as `ping` or `eu/ping-2`. */
  readonly node: string
  /** The name of the task. */
  readonly task: string
  /** The number of this attempt at the node, from 1. */
  readonly attempt: number
  /** How many attempts failed before this one: `attempt - 1`. */
  readonly retryNumber: number
  /** How many retries the policy allows; null without limit. */
  readonly maxRetries: number | null
  /** True if a failure of this attempt will not be retried. False while a predicate could still decide. */
  readonly isLastAttempt: boolean
  /** The failures of the attempts before this one, oldest first. */
  readonly previousFailures: readonly Failure[]
  /** Aborted when the attempt's time is up, its run is cancelled, its lease is lost, or the worker shuts down. */
  readonly signal: AbortSignal
  /** A logger whose lines carry the ids of the run, the node and the attempt. */
  readonly log: Logger
  /**
   * The same text in all attempts at this node and in reruns of its run, so a payment provider (for example) can
   * recognise a repeated request. New when a person has a node executed again that had succeeded.
   */
  readonly idempotencyKey: string
  /**
   * Starts a run of a flow, of a single task, or of either by name, as a child of this one, and does not wait for it.
   * All attempts of this node start one child for each call: calls are told apart by `options.key`, by default by the
   * name of the target and the number of the call. What the first of these calls said (input, options) counts.
   *
   * @throws RepriseError `invalid_input`, `options` (also for a key that this attempt has used before)
   * @throws SerializationError, DefinitionError as `producer.enqueue` does
   * @throws the reason of `signal` once that is aborted
   */
  readonly enqueue: EnqueueChild
  /** Grows with every attempt granted in the run's lineage: a store can refuse writes that carry a smaller one. */
  readonly fencingToken: number
}

/** The run that an attempt belongs to. */
export interface RunInfo {
  readonly id: string
  /** The first run of the lineage; the run's own id unless it is a rerun or was started by another run. */
  readonly rootId: string
  /** The run that this one repeats, or whose handler started it; null for neither. */
  readonly parentId: string | null
  /** How many automatic retries of the whole run came before this run. */
  readonly retryNumber: number
  /** The name of the flow; `task:<name>` for a task that runs on its own. */
  readonly flow: string
}
