import { z } from 'zod'
import { DefinitionError } from '../core/errors.ts'
import type { FailureKind } from '../core/failure.ts'
import type { RerunStrategy, RunRetry } from '../core/lineage.ts'
import { countSchema, listOf, oneOf, parseOptions, quote } from './option-schemas.ts'
import { type PolicyJson, policyToJson } from './policy-json.ts'
import { pluginNames } from './policy-registry.ts'
import { type RetryOption, toPolicy } from './shorthand.ts'

/** When a run that failed is retried as a whole, by a new run. */
export interface RunRetryOptions {
  /** How many runs may follow the first one. Only automatic retries count. */
  readonly maxRetries: number
  /**
   * What a retry executes: what didn't succeed and all that depends on it, or everything.
   * @default 'from-failure'
   */
  readonly strategy?: RerunStrategy | undefined
  /** Only runs all of whose failed nodes failed like this are retried. Default: all kinds. */
  readonly kinds?: readonly FailureKind[] | undefined
  /**
   * How long to wait before each retry, and for which errors there is none: asked about the failure that ended the run. Data
   * only, no functions and no plug-ins. `maxRetries` takes the place of its own.
   * @default no delay
   */
  readonly policy?: RetryOption | undefined
}

/** What `runRetry` accepts: a number of retries alone, `false` or 0 for none, or options. */
export type RunRetryOption = number | false | RunRetryOptions

const KINDS: readonly FailureKind[] = ['error', 'timeout', 'crash', 'interrupted']
const STRATEGIES: readonly RerunStrategy[] = ['from-failure', 'all']

const schema = z.strictObject({
  maxRetries: countSchema,
  strategy: oneOf(STRATEGIES).default('from-failure'),
  kinds: listOf(oneOf(KINDS), 'failure kinds')
    .min(1, 'expected at least one kind, got an empty list; leave the option out for all kinds')
    .optional(),
  policy: z.custom<RetryOption>().optional(),
})

/**
 * Reads a `runRetry` option, also one that was sent.
 *
 * @param where the option, for the error
 * @throws DefinitionError that says what was expected and what was got, also for a policy that is more than data
 */
export function readRunRetry(option: unknown, where = 'runRetry'): RunRetry {
  if (option === false) return { maxRetries: 0, strategy: 'from-failure' }
  if (typeof option !== 'number' && (typeof option !== 'object' || option === null)) {
    throw new DefinitionError(
      `${where}: expected a number of retries, false, or { maxRetries, strategy, kinds, policy }, got ${quote(option)}`,
    )
  }
  const options = typeof option === 'number' ? { maxRetries: option } : option
  const { maxRetries, strategy, kinds, policy } = parseOptions(schema, options, where)
  return {
    maxRetries,
    strategy,
    ...(kinds && { kinds }),
    ...(policy !== undefined && { policy: policyData(policy, `${where}.policy`) }),
  }
}

/** Any worker may have to apply it, so it is data. */
function policyData(option: RetryOption, where: string): PolicyJson {
  const policy = toPolicy(option, where)
  const [plugin] = pluginNames(policy)
  if (plugin !== undefined) {
    throw new DefinitionError(
      `${where}: expected a policy that any worker can apply, got the plug-in ${plugin}`,
    )
  }
  try {
    return policyToJson(policy)
  } catch (cause) {
    throw cause instanceof DefinitionError
      ? new DefinitionError(`${where}: ${cause.message}`, { cause })
      : cause
  }
}
