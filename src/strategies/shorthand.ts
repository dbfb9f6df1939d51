import { DefinitionError } from '../core/errors.ts'
import { buildDelay, buildNone } from './build-policy.ts'
import { buildNamed } from './define-policy.ts'
import { quote } from './option-schemas.ts'
import { type PolicyData, policyFromJson } from './policy-json.ts'
import { isPolicy, type Policy } from './policy-types.ts'

/**
 * What `retry` accepts.
 *
 * | value | meaning |
 * |---|---|
 * | `5` | `policy.exponential({ maxRetries: 5 })`: at most 1 s, 2 s, 4 s, 8 s, 16 s, with full jitter |
 * | `true` | the same without limit, at most 1 h apart |
 * | `false`, `0` | no retries |
 * | a policy | itself |
 * | `'http-aware'` | the plug-in of that name, with the options `{}` |
 * | `{ name, options }` | the plug-in of that name |
 * | `{ kind, ... }` | a policy as plain JSON |
 */
export type RetryOption = number | boolean | string | Policy | PolicyData

/**
 * The policy that a `retry` option stands for. Convert once, where the option is given: it validates.
 *
 * @param where the option, for the error
 * @throws DefinitionError that says what was expected and what was got
 */
export function toPolicy(retry: RetryOption, where = 'retry'): Policy {
  if (isPolicy(retry)) return retry
  if (retry === true) return buildDelay('exponential', { maxRetries: null })
  if (retry === false) return buildNone({})
  if (typeof retry === 'number') return fromNumber(retry, where)
  if (typeof retry === 'string') return buildNamed(retry, {}, where)
  return policyFromJson(retry, where)
}

function fromNumber(maxRetries: number, where: string): Policy {
  const isCount = Number.isSafeInteger(maxRetries) && maxRetries >= 0
  if (isCount || maxRetries === Number.POSITIVE_INFINITY)
    return buildDelay('exponential', { maxRetries })
  throw new DefinitionError(
    `${where}: expected a number of retries (a whole number from 0), got ${quote(maxRetries)}`,
  )
}
