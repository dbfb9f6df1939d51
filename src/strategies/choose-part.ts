import type { StoredError } from '../core/failure.ts'
import { findMatcher } from './matchers.ts'
import type {
  ChainPolicy,
  DelayPolicy,
  NamedPolicy,
  NonePolicy,
  Policy,
  RulesPolicy,
} from './policy-types.ts'

/** A policy that decides itself. */
export type DecidingPolicy = DelayPolicy | NonePolicy | NamedPolicy

/** The part of a policy that decides about one failure. */
export interface PolicyPart {
  /** Null when no rule matches. */
  readonly policy: DecidingPolicy | null
  /** How many retries the policies before it in a chain have given. */
  readonly before: number
  /** Where it stands in a composed policy, such as `rules[1].chain[0]`; '' for a policy that is not composed. */
  readonly path: string
}

/**
 * Finds the part of a policy that decides about a failure: the first rule that matches, the first policy of a chain that
 * has a retry left. All retries of the node count, whichever part gave them.
 *
 * @param thrown the original value where this process has it, for `instanceof`
 * @param retriesUsed how many retries the node has had
 */
export function choosePart(
  policy: Policy,
  error: StoredError,
  thrown: unknown,
  retriesUsed: number,
): PolicyPart {
  switch (policy.type) {
    case 'rules':
      return fromRules(policy, error, thrown, retriesUsed)
    case 'chain':
      return fromChain(policy, error, thrown, retriesUsed)
    default:
      return { policy, before: 0, path: '' }
  }
}

function fromRules(
  { rules }: RulesPolicy,
  error: StoredError,
  thrown: unknown,
  retriesUsed: number,
): PolicyPart {
  const index = rules.findIndex(
    ({ on }) => on === null || findMatcher(on, error, thrown) !== undefined,
  )
  const rule = rules[index]
  if (rule === undefined) return { policy: null, before: 0, path: 'rules' }
  return within(`rules[${index}]`, 0, choosePart(rule.use, error, thrown, retriesUsed))
}

function fromChain(
  { policies }: ChainPolicy,
  error: StoredError,
  thrown: unknown,
  retriesUsed: number,
): PolicyPart {
  let before = 0
  for (const [index, policy] of policies.entries()) {
    const part = choosePart(policy, error, thrown, retriesUsed - before)
    const limit = limitOf(part)
    const isLast = index === policies.length - 1
    if (isLast || limit === null || retriesUsed - before < limit) {
      return within(`chain[${index}]`, before, part)
    }
    before += limit
  }
  throw new RangeError('a chain has no policies')
}

function within(place: string, before: number, part: PolicyPart): PolicyPart {
  const path = part.path === '' ? place : `${place}.${part.path}`
  return { policy: part.policy, before: before + part.before, path }
}

/** How many retries a part of a chain gives in all; null without limit. */
function limitOf({ policy, before }: PolicyPart): number | null {
  if (policy === null || policy.type === 'none') return before
  if (policy.type === 'named' || policy.spec.maxRetries === null) return null
  return before + policy.spec.maxRetries
}
