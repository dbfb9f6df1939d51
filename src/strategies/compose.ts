import { z } from 'zod'
import { DefinitionError } from '../core/errors.ts'
import { sealPolicy } from './build-policy.ts'
import { type Matcher, matchersSchema } from './matchers.ts'
import { checked, listOf, parseOptions } from './option-schemas.ts'
import { type ChainPolicy, isPolicy, type Policy, type RulesPolicy } from './policy-types.ts'

/** One rule of `policy.rules`. */
export interface PolicyRule {
  /** The errors that it is for, as in `retryOn`. Without it the rule matches every error: it must be the last. */
  readonly on?: readonly Matcher[] | undefined
  readonly use: Policy
}

const policySchema = checked<Policy>(
  'a policy, such as policy.none() or policy.exponential()',
  isPolicy,
)

const rulesSchema = listOf(
  z.strictObject({ on: matchersSchema.optional(), use: policySchema }),
  'rules',
).min(1, 'expected at least one rule, got an empty list')

const chainSchema = listOf(policySchema, 'policies').min(
  2,
  'expected at least two policies; one alone needs no chain',
)

/** Makes `policy.rules`. @throws DefinitionError that names each bad rule */
export function buildRules(rules: readonly PolicyRule[], where = 'policy.rules'): RulesPolicy {
  const parsed = parseOptions(rulesSchema, rules, where)
  const shadowed = parsed.findIndex(({ on }, i) => on === undefined && i < parsed.length - 1)
  if (shadowed >= 0) {
    throw new DefinitionError(
      `${where}: rule ${shadowed} has no \`on\`, so it matches every error and the rules after it are never reached; put it last`,
    )
  }
  return sealPolicy<RulesPolicy>({
    type: 'rules',
    rules: Object.freeze(
      parsed.map(({ on, use }) => Object.freeze({ on: on ? Object.freeze([...on]) : null, use })),
    ),
  })
}

/** Makes `policy.chain`. @throws DefinitionError for a policy that never gives way to the next */
export function buildChain(policies: readonly Policy[], where = 'policy.chain'): ChainPolicy {
  const parsed = parseOptions(chainSchema, policies, where)
  const endless = parsed.slice(0, -1).findIndex((policy) => !isBounded(policy))
  if (endless >= 0) {
    throw new DefinitionError(
      `${where}: policy ${endless} has no limit of retries, so the policies after it are never reached; give it maxRetries, or put it last`,
    )
  }
  return sealPolicy<ChainPolicy>({ type: 'chain', policies: Object.freeze([...parsed]) })
}

/** Whether a policy has a number of retries after which it is exhausted. A plug-in has none that anybody knows. */
function isBounded(policy: Policy): boolean {
  switch (policy.type) {
    case 'none':
      return true
    case 'delay':
      return policy.spec.maxRetries !== null
    case 'rules':
      return policy.rules.every(({ use }) => isBounded(use))
    case 'chain':
      return policy.policies.every(isBounded)
    case 'named':
      return false
  }
}
