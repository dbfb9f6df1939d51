import type { FailureKind } from './failure.ts'

/** The node that started a run, and the first run of its lineage. */
export interface ParentNode {
  readonly runId: string
  /** The node's key. */
  readonly node: string
  /** The run that nobody started from a handler: the parent itself, or its own root. */
  readonly rootId: string
}

/** A run that a node's handler started. */
export interface ChildRun {
  /** The key of the node that started it. */
  readonly node: string
  /** The key of the call: given, or `<name>#<n>`. */
  readonly key: string
  readonly runId: string
  /** The child's flow; `task:<name>` for a task on its own. */
  readonly flow: string
}

/** What a rerun executes of the run that it repeats: what didn't succeed and all that depends on it, or everything. */
export type RerunStrategy = 'from-failure' | 'all'

/** How a run came to repeat another one. */
export interface Rerun {
  /** The run that it repeats. */
  readonly of: string
  /** The first run of the lineage. */
  readonly rootId: string
  readonly strategy: RerunStrategy
  /** `retry`: the failed run was retried automatically; `hand`: somebody asked for it. */
  readonly by: 'retry' | 'hand'
  /** How many automatic retries of the whole run came before this run, itself included. */
  readonly retryNumber: number
  /** The delays before the automatic retries so far, in ms, oldest first. */
  readonly delays: readonly number[]
  /** Nodes that had succeeded and were executed again on purpose, by the run in which they were; oldest first. */
  readonly repeated?: readonly RepeatedNodes[]
}

/** When a run that failed is retried as a whole, by a new run: as it is sent and stored. */
export interface RunRetry {
  /** How many automatic retries a lineage may have. */
  readonly maxRetries: number
  readonly strategy: RerunStrategy
  /** Only runs all of whose failed nodes failed like this; all kinds if absent. */
  readonly kinds?: readonly FailureKind[]
  /** The policy that gives the delays, as plain JSON; no delay if absent. */
  readonly policy?: object
}

/** Nodes that one run executed again although they had succeeded. */
export interface RepeatedNodes {
  readonly run: string
  /** Indices, as ranges, `0-3,7`; or all but some, `!5`. */
  readonly nodes: string
}
