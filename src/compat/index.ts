export { type DagsterPolicyOptions, dagsterPolicy } from './dagster.ts'
export {
  exponentialBackoff,
  type PrefectRetriesOptions,
  type PrefectTaskOptions,
  prefectRetries,
  prefectTask,
} from './prefect.ts'
export {
  type ProcrastinateDecisionOptions,
  type ProcrastinateStrategyOptions,
  procrastinateDecision,
  procrastinateStrategy,
} from './procrastinate.ts'
export { rawDelay } from './raw-delay.ts'
