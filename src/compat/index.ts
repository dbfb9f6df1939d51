export { type DagsterPolicyOptions, dagsterPolicy } from './dagster.ts'
export { type DagsterRunRetriesOptions, dagsterRunRetries } from './dagster-run-retries.ts'
export {
  exponentialBackoff,
  type PrefectFlowRetriesOptions,
  type PrefectRetriesOptions,
  type PrefectTaskOptions,
  prefectFlowRetries,
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
