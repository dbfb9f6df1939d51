export type { RedisLocation } from './coordinator/connection.ts'
export type { NodeDetails } from './coordinator/run-reader.ts'
export type { LoggedAttempt } from './coordinator/run-record.ts'
export type { NodeSnapshot, RunSnapshot } from './coordinator/run-snapshot.ts'
export type { Duration } from './core/duration.ts'
export {
  DefinitionError,
  type ErrorCode,
  RepriseError,
  RunFailed,
  SerializationError,
} from './core/errors.ts'
export type {
  Failure,
  FailureKind,
  RecordedDecision,
  StopReason,
  StoredError,
} from './core/failure.ts'
export type { AttemptInfo, Hooks } from './core/hooks.ts'
export type { Json } from './core/json.ts'
export type { ChildRun, ParentNode, Rerun, RerunStrategy, RunRetry } from './core/lineage.ts'
export type { Logger } from './core/logger.ts'
export type { FinalNodeState, FinalRunState, NodeState, RunState } from './core/states.ts'
export { and, is, not, or } from './flow/conditions.ts'
export type { RunInfo, TaskContext } from './flow/context.ts'
export type { EnqueueChild, EnqueuedChild } from './flow/enqueue-child.ts'
export type { ChildOptions, EnqueueOptions } from './flow/enqueue-options.ts'
export { type FailedResult, fail } from './flow/fail.ts'
export { type Flow, type FlowOptions, flow } from './flow/flow.ts'
export { firstOf, orElse, settled, succeeded } from './flow/joins.ts'
export type { Jsonify } from './flow/jsonify.ts'
export type { MapOptions } from './flow/map-options.ts'
export type { Group, Ref, RefOf, Settled } from './flow/ref-types.ts'
export { at } from './flow/refs.ts'
export { Skip } from './flow/skip.ts'
export type { NamedTarget } from './flow/target.ts'
export { type Task, type TaskOptions, task } from './flow/task.ts'
export { atLeast, atMost, type Trigger } from './flow/trigger.ts'
export { Producer, type ProducerOptions } from './producer/producer.ts'
export type { QueuedRun } from './producer/queued-run.ts'
export type { RunEvent } from './producer/run-events.ts'
export { type ResultOptions, RunHandle } from './producer/run-handle.ts'
export type { RerunOptions } from './runs/rerun.ts'
export { type RunLookup, Runs, type RunsOptions } from './runs/runs.ts'
export {
  type BackoffStrategy,
  type BackoffStrategyOptions,
  backoffStrategy,
  type StrategyJob,
} from './strategies/backoff-strategy.ts'
export {
  definePolicy,
  type PolicyDefinition,
  type PolicyPlugin,
} from './strategies/define-policy.ts'
export { policy } from './strategies/policy.ts'
export type { PolicyFailure } from './strategies/policy-failure.ts'
export type { Policy } from './strategies/policy-types.ts'
export type { PreviewedRetry, PreviewOptions } from './strategies/preview.ts'
export type { RetryDecision } from './strategies/retry-decision.ts'
export type { RunRetryOption, RunRetryOptions } from './strategies/run-retry.ts'
export type { RetryOption } from './strategies/shorthand.ts'
export { NonRetryable, RetryRequested } from './strategies/signals.ts'
export type { WorkerOptions } from './worker/options.ts'
export { Worker } from './worker/worker.ts'
