import { type StoredError, storeError, workerLost } from '../core/failure.ts'
import type { BreakerSettings, BudgetSettings } from '../core/shared-limits.ts'
import { choosePart } from './choose-part.ts'
import type { Policy } from './policy-types.ts'

const DEFAULT_MAX_CRASHES = 3

/**
 * How many retries a policy allows: null without limit, or where nobody can know (a plug-in); 0 without a policy. Of
 * `rules` it is the largest limit, of a `chain` the sum.
 */
export function maxRetriesOf(chosen: Policy | null): number | null {
  if (chosen === null) return 0
  switch (chosen.type) {
    case 'none':
      return 0
    case 'delay':
      return chosen.spec.maxRetries
    case 'named':
      return null
    case 'rules':
      return combined(
        chosen.rules.map(({ use }) => use),
        (one, other) => Math.max(one, other),
      )
    case 'chain':
      return combined(chosen.policies, (one, other) => one + other)
  }
}

function combined(
  policies: readonly Policy[],
  combine: (one: number, other: number) => number,
): number | null {
  let total = 0
  for (const policy of policies) {
    const limit = maxRetriesOf(policy)
    if (limit === null) return null
    total = combine(total, limit)
  }
  return total
}

/**
 * How many crashes a policy allows: none where its `kinds` lack `'crash'`. Of `rules` the one that matches a crash's
 * error (`WorkerLost`) counts, of a `chain` the first policy. `fallback` without a policy, and where it says nothing.
 */
export function maxCrashesOf(chosen: Policy | null, fallback = DEFAULT_MAX_CRASHES): number {
  const policy = lossPolicy(chosen, workerLost)
  if (policy === null) return fallback
  if (policy.type === 'delay' && policy.spec.kinds && !policy.spec.kinds.includes('crash')) return 0
  return policy.spec.maxCrashes
}

/** How many interruptions a policy allows: null without limit. Chosen as for crashes, by the interruption's error. */
export function maxInterruptionsOf(chosen: Policy | null, error: StoredError): number | null {
  return lossPolicy(chosen, error)?.spec.maxInterruptions ?? null
}

function lossPolicy(chosen: Policy | null, error: StoredError) {
  if (chosen === null) return null
  const { policy } = choosePart(firstOfChain(chosen), error, undefined, 0)
  return policy === null || policy.type === 'named' ? null : policy
}

// Losses have ledgers of their own: a chain does not go on to its next policy for them.
function firstOfChain(policy: Policy): Policy {
  const first = policy.type === 'chain' ? policy.policies[0] : undefined
  return first === undefined ? policy : firstOfChain(first)
}

/**
 * True when the limits alone forbid another retry; false while a predicate could still decide, and with
 * `RetryRequested` out of account.
 *
 * @param retriesUsed how many retries came before the attempt in question
 */
export function isLastAttempt(chosen: Policy | null, retriesUsed: number): boolean {
  const maxRetries = maxRetriesOf(chosen)
  return maxRetries !== null && retriesUsed >= maxRetries
}

/** What an attempt shares with the whole fleet; null where there is nothing. */
export interface SharedLimitSettings {
  readonly budget: BudgetSettings | null
  readonly breaker: BreakerSettings | null
}

/** Stands for the failure of a node that has not failed: of `rules` it chooses the one for `Error` or for every error. */
const NO_FAILURE = storeError(new Error('not failed'))

/**
 * What an attempt under a policy shares with the whole fleet: what the part says that decided about the failure before
 * it. A plug-in says nothing.
 *
 * @param error of the failure that the attempt is a retry of; null if it is none
 * @param retriesUsed how many retries came before that failure
 */
export function sharedLimitsOf(
  chosen: Policy | null,
  error: StoredError | null,
  retriesUsed: number,
): SharedLimitSettings {
  const part = chosen && choosePart(chosen, error ?? NO_FAILURE, undefined, retriesUsed).policy
  if (part === null || part.type === 'named') return { budget: null, breaker: null }
  return {
    budget: part.type === 'delay' ? (part.spec.budget ?? null) : null,
    breaker: part.spec.breaker ?? null,
  }
}
