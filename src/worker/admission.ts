import type { BudgetAnswer, Holder, SharedLimits, Wait } from '../coordinator/shared-limits.ts'
import { messageOf } from '../core/errors.ts'
import type { StopReason } from '../core/failure.ts'
import type { Logger } from '../core/logger.ts'
import type { BreakerVerdict } from '../core/shared-limits.ts'
import type { Policy } from '../strategies/policy.ts'
import { sharedLimitsOf } from '../strategies/policy-limits.ts'
import type { AttemptEnd } from './attempt-end.ts'

/** What admission needs of its worker. */
export interface AdmissionSurroundings {
  readonly sharedLimits: SharedLimits
  readonly logger: Logger
}

/** A granted attempt whose handler may be called; `report` is owed when it has ended, however it did. */
export interface Admission {
  readonly status: 'admitted'
  report(end: AttemptEnd): Promise<void>
}

/** A granted attempt that has to wait: the grant is to be given back. */
export type NotYet = Wait & { readonly waitsFor: 'budget' | 'breaker' }

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
  holder: Holder,
): Promise<Admission | NotYet> {
  const { budget, breaker } = sharedLimitsOf(policy)
  const { sharedLimits } = around
  const admission = breaker ? await throughBreaker(around, breaker, holder) : FREE
  if (admission.status === 'wait' || !budget) return admission
  let answer: BudgetAnswer | undefined
  try {
    answer = await sharedLimits.takeBudget(budget, holder)
  } finally {
    if (answer?.status !== 'go') await admission.report(null)
  }
  return answer.status === 'go' ? admission : { ...answer, waitsFor: 'budget' }
}

type Breaker = NonNullable<ReturnType<typeof sharedLimitsOf>['breaker']>

async function throughBreaker(
  { sharedLimits, logger }: AdmissionSurroundings,
  breaker: Breaker,
  holder: Holder,
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
    // The attempt's own result must not be lost because the breaker could not be told.
    report: async (end) => {
      clearInterval(renewal)
      await sharedLimits.reportBreaker(breaker, holder, permit, verdictOf(end)).catch(warn)
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
