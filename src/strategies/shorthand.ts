import { DefinitionError } from '../core/errors.ts'
import { quote } from './option-schemas.ts'
import { isPolicy, type Policy, policy } from './policy.ts'
import { type PolicyData, policyFromJson } from './policy-json.ts'

/**
 * What `retry` accepts.
 *
 * | value | meaning |
 * |---|---|
 * | `5` | `policy.exponential({ maxRetries: 5 })`: at most 1 s, 2 s, 4 s, 8 s, 16 s, with full jitter |
 * | `true` | the same without limit, at most 1 h apart |
 * | `false`, `0` | no retries |
 * | a policy | itself |
 * | `{ kind, ... }` | a policy as plain JSON |
 */
export type RetryOption = number | boolean | Policy | PolicyData

/**
 * The policy that a `retry` option stands for. Convert once, where the option is given: it validates.
 *
 * @param where the option, for the error
 * @throws DefinitionError that says what was expected and what was got
 */
export function toPolicy(retry: RetryOption, where = 'retry'): Policy {
  if (isPolicy(retry)) return retry
  if (retry === true) return policy.exponential({ maxRetries: Number.POSITIVE_INFINITY })
  if (retry === false) return policy.none()
  if (typeof retry === 'number') return fromNumber(retry, where)
  return policyFromJson(retry, where)
}

function fromNumber(maxRetries: number, where: string): Policy {
  const isCount = Number.isSafeInteger(maxRetries) && maxRetries >= 0
  if (isCount || maxRetries === Number.POSITIVE_INFINITY) return policy.exponential({ maxRetries })
  throw new DefinitionError(
    `${where}: expected a number of retries (a whole number from 0), got ${quote(maxRetries)}`,
  )
}
