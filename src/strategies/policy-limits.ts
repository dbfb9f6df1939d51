import type { BreakerSettings, BudgetSettings } from '../core/shared-limits.ts'
import type { Policy } from './policy.ts'

/** How many retries a policy allows: null without limit, 0 without a policy. */
export function maxRetriesOf(chosen: Policy | null): number | null {
  return chosen === null || chosen.spec.kind === 'none' ? 0 : chosen.spec.maxRetries
}

/** How many crashes a policy allows: none where its `kinds` lack `'crash'`; `fallback` without a policy. */
export function maxCrashesOf(chosen: Policy | null, fallback = 3): number {
  if (chosen === null) return fallback
  const { spec } = chosen
  if (spec.kind !== 'none' && spec.kinds && !spec.kinds.includes('crash')) return 0
  return spec.maxCrashes
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

/** What the attempts of nodes under a policy share with the whole fleet; null where there is nothing. */
export function sharedLimitsOf(chosen: Policy | null): {
  readonly budget: BudgetSettings | null
  readonly breaker: BreakerSettings | null
} {
  const spec = chosen?.spec
  return {
    budget: (spec && spec.kind !== 'none' && spec.budget) || null,
    breaker: spec?.breaker ?? null,
  }
}
