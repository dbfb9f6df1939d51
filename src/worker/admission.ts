import type { LoggedAttempt } from '../coordinator/run-record.ts'
import type { BudgetAnswer, Holder, SharedLimits, Wait } from '../coordinator/shared-limits.ts'
import { messageOf } from '../core/errors.ts'
import type { RecordedDecision, StopReason } from '../core/failure.ts'
import type { Logger } from '../core/logger.ts'
import type { BreakerSettings, BreakerVerdict } from '../core/shared-limits.ts'
import { type SharedLimitSettings, sharedLimitsOf } from '../strategies/policy-limits.ts'
import type { Policy } from '../strategies/policy-types.ts'
import type { AttemptEnd } from './attempt-end.ts'
import type { LockWait } from './locks.ts'

/** What admission needs of its worker. */
export interface AdmissionSurroundings {
  readonly sharedLimits: SharedLimits
  readonly logger: Logger
}

/** The granted attempt that asks for admission. */
export interface Applicant extends Holder {
  /** How many of the node's retries have been granted, this one included. */
  readonly retriesUsed: number
  /** The node's ended attempts, oldest first. */
  readonly history: readonly LoggedAttempt[]
}

/** A granted attempt whose handler may be called; `report` is owed when it has ended, however it did, and never throws. */
export interface Admission {
  readonly status: 'admitted'
  report(end: AttemptEnd): Promise<void>
}

/** A granted attempt that has to wait: the grant is to be given back. */
export type NotYet = (Wait & { readonly waitsFor: 'budget' | 'breaker' }) | LockWait

const FREE: Admission = { status: 'admitted', report: async () => {} }

/**
 * Asks the limits that an attempt shares with the whole fleet, after its grant and before its handler (R23): first the
 * breaker, so that an open one costs no token of the budget.
 *
 * @throws RepriseError when Redis can't be asked
 */
export async function admit(
  around: AdmissionSurroundings,
  policy: Policy | null,
  applicant: Applicant,
): Promise<Admission | NotYet> {
  const { runId, index, attempt } = applicant
  const holder = { runId, index, attempt }
  const { budget, breaker } = limitsOf(policy, applicant)
  const verdict = (end: AttemptEnd): BreakerVerdict => {
    const error = end?.failure?.error
    if (!error) return verdictOf(end)
    // Another part of a composed policy decided: its failures are of another kind, and none of this breaker's.
    const deciding = sharedLimitsOf(policy, error, applicant.retriesUsed).breaker
    return deciding?.key === breaker?.key ? verdictOf(end) : 'neutral'
  }
  const admission = breaker ? await throughBreaker(around, breaker, holder, verdict) : FREE
  if (admission.status === 'wait' || !budget) return admission
  let answer: BudgetAnswer | undefined
  try {
    answer = await around.sharedLimits.takeBudget(budget, holder)
  } finally {
    if (answer?.status !== 'go') await admission.report(null)
  }
  return answer.status === 'go' ? admission : { ...answer, waitsFor: 'budget' }
}

/** Those of the part of the policy that granted the retry; of a first attempt, and after a crash, as for no failure. */
function limitsOf(policy: Policy | null, { retriesUsed, history }: Applicant): SharedLimitSettings {
  if (retriesUsed === 0) return sharedLimitsOf(policy, null, 0)
  const retried = history.findLast(({ decision }) => isRetry(decision))
  return sharedLimitsOf(policy, retried?.error ?? null, retriesUsed - 1)
}

// Attempts that follow a crash or an interruption are no retries of a policy.
function isRetry(decision: RecordedDecision | null): boolean {
  return (
    decision?.action === 'retry' && decision.rule !== 'crash' && decision.rule !== 'interrupted'
  )
}

async function throughBreaker(
  { sharedLimits, logger }: AdmissionSurroundings,
  breaker: BreakerSettings,
  holder: Holder,
  verdict: (end: AttemptEnd) => BreakerVerdict,
): Promise<Admission | NotYet> {
  const permit = await sharedLimits.takeBreaker(breaker, holder)
  if (permit.status === 'wait') return { ...permit, waitsFor: 'breaker' }
  const warn = (error: unknown) => {
    logger.warn({ breaker: breaker.key, ...holder, error: messageOf(error) }, 'breaker not told')
  }
  // A probe whose process dies is not renewed, and makes room for another.
  const renewal =
    permit.status === 'probe'
      ? setInterval(() => {
          sharedLimits.renewProbe(breaker.key, holder).catch(warn)
        }, sharedLimits.leaseMs / 3)
      : undefined
  return {
    status: 'admitted',
    report: async (end) => {
      clearInterval(renewal)
      try {
        await sharedLimits.reportBreaker(breaker, holder, permit, verdict(end))
      } catch (error) {
        // The attempt's own result must not be lost because the breaker could not be told.
        warn(error)
      }
    },
  }
}

/** Stops that say that retries are over, not that the failure was of a kind which no retry could mend. */
const COUNTED_STOPS: ReadonlySet<StopReason> = new Set([
  'exhausted',
  'elapsed',
  'no_policy',
  'retries_disabled',
])

/**
 * What an attempt's end says about the service behind a breaker: it failed if the policy takes the failure for one that
 * a retry can mend. What its matchers or the error itself call permanent, an interruption or a lost lease say nothing.
 */
export function verdictOf(end: AttemptEnd): BreakerVerdict {
  if (end?.outcome.kind === 'succeeded') return 'succeeded'
  const decision = end?.failure && end.failure.kind !== 'interrupted' ? end.decision : null
  if (!decision) return 'neutral'
  const counts = decision.action === 'retry' || COUNTED_STOPS.has(decision.reason)
  return counts ? 'failed' : 'neutral'
}
