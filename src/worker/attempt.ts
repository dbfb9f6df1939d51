import type { Grant, Place } from '../coordinator/answers.ts'
import type { Coordinator } from '../coordinator/coordinator.ts'
import type { Delivery } from '../coordinator/moves.ts'
import type { LoggedAttempt } from '../coordinator/run-record.ts'
import type { SharedLimits } from '../coordinator/shared-limits.ts'
import type { Hooks } from '../core/hooks.ts'
import type { Logger } from '../core/logger.ts'
import type { CompiledGraph } from '../flow/compile.ts'
import type { WorkNode } from '../flow/graph.ts'
import type { StoredRunOptions } from '../producer/envelope.ts'
import type { Queues } from '../producer/queues.ts'
import type { PolicyRegistry } from '../strategies/policy-registry.ts'
import type { AttemptAbort } from './aborts.ts'
import type { Handlers } from './handlers.ts'
import type { Locks } from './locks.ts'
import type { WorkerSettings } from './options.ts'
import type { RunValues } from './values.ts'

/** What an attempt runs in: shared by all attempts of a worker. */
export interface AttemptSurroundings {
  readonly handlers: Handlers
  readonly policies: PolicyRegistry
  readonly settings: WorkerSettings
  readonly logger: Logger
  readonly coordinator: Coordinator
  readonly queues: Queues
  readonly hooks: Hooks
  readonly sharedLimits: SharedLimits
  readonly locks: Locks
}

/** One granted attempt. */
export interface Attempt {
  readonly runId: string
  readonly delivery: Delivery
  readonly graph: CompiledGraph
  /** With the key that it has in its run. */
  readonly node: WorkNode
  /** The node of the graph: of a map's item, the one that it is an instance of. */
  readonly template: WorkNode
  readonly grant: Grant
  readonly options: StoredRunOptions
  readonly values: RunValues
  readonly openedAt: number
  /** Where it runs: the queue and priority of its job. */
  readonly place: Place
  /** When the grant arrived here, by this process' monotonic clock. */
  readonly receivedAt: number
  readonly abort: AttemptAbort
}

/** The run's place in its lineage. */
export function lineageOf({ runId, options: { parent, rerun } }: Attempt): {
  readonly id: string
  readonly rootId: string
  readonly parentId: string | null
} {
  return {
    id: runId,
    rootId: rerun?.rootId ?? parent?.rootId ?? runId,
    parentId: rerun?.of ?? parent?.runId ?? null,
  }
}

/** The node's ended attempts, oldest first. */
export async function readHistory(
  around: AttemptSurroundings,
  { runId, grant, openedAt }: Attempt,
): Promise<LoggedAttempt[]> {
  return await around.coordinator.readNodeLog(runId, grant.index, openedAt)
}

/** A manual retry begins anew: what came before it counts for no limit. */
export function sinceRetried(history: readonly LoggedAttempt[]): readonly LoggedAttempt[] {
  return history.slice(history.findLastIndex(({ kind }) => kind === 'retried') + 1)
}
