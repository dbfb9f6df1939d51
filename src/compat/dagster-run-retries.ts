import { z } from 'zod'
import { countSchema, parseOptions } from '../strategies/option-schemas.ts'
import type { RunRetryOptions } from '../strategies/run-retry.ts'

/** Dagster's settings for retries of runs: those of a deployment, and the tags of a run. */
export interface DagsterRunRetriesOptions {
  /**
   * The run's tags; `dagster/max_retries`, `dagster/retry_strategy` and `dagster/retry_on_asset_or_op_failure` count, and beat
   * what comes next.
   * @default {}
   */
  readonly tags?: { readonly [tag: string]: string } | undefined
  /**
   * The deployment's `max_retries`.
   * @default 0
   */
  readonly maxRetries?: number | undefined
  /**
   * The deployment's `retry_on_asset_or_op_failure`: if false, only runs that lost their worker are retried.
   * @default true
   */
  readonly retryOnAssetOrOpFailure?: boolean | undefined
}

const schema = z.strictObject({
  tags: z.record(z.string(), z.string()).default({}),
  maxRetries: countSchema.default(0),
  retryOnAssetOrOpFailure: z.boolean().default(true),
})

/**
 * Dagster's run retries as one of our `runRetry` options. As there, a `dagster/max_retries` that is no whole number means no
 * retry, and an unknown strategy means `FROM_FAILURE`.
 *
 * @throws DefinitionError for options of other types
 * @example
 * flow({ name, input, runRetry: dagsterRunRetries({ tags: { 'dagster/max_retries': '3' } }) }, build)
 */
export function dagsterRunRetries(options: DagsterRunRetriesOptions = {}): RunRetryOptions {
  const { tags, maxRetries, retryOnAssetOrOpFailure } = parseOptions(
    schema,
    options,
    'dagsterRunRetries()',
  )
  const onFailure = booleanTag(
    tags['dagster/retry_on_asset_or_op_failure'],
    retryOnAssetOrOpFailure,
  )
  return {
    maxRetries: countTag(tags['dagster/max_retries'], maxRetries),
    strategy: tags['dagster/retry_strategy'] === 'ALL_STEPS' ? 'all' : 'from-failure',
    ...(onFailure ? {} : { kinds: ['crash'] }),
  }
}

function countTag(tag: string | undefined, standard: number): number {
  if (tag === undefined) return standard
  return /^\s*\+?\d+\s*$/.test(tag) ? Number(tag) : 0
}

const FALSE = ['false', 'none', '0', '']

function booleanTag(tag: string | undefined, standard: boolean): boolean {
  return tag === undefined ? standard : !FALSE.includes(tag.toLowerCase())
}
