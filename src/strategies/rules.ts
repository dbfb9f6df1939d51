import type { RecordedDecision, StopReason } from '../core/failure.ts'
import type { PolicyPart } from './choose-part.ts'
import type { RetryDelay } from './delay.ts'
import { findMatcher, matcherText } from './matchers.ts'
import type { FailureFacts } from './policy-failure.ts'
import type { DelayPolicy } from './policy-types.ts'
import { isNonRetryable, type RetryRequest, readRetryRequest } from './signals.ts'

/** The longest wait that an error itself may ask for: 24 h. */
export const MAX_HONORED_DELAY_MS = 86_400_000

/** The decision not to retry. */
export type StopDecision = Extract<RecordedDecision, { action: 'stop' }>

/** What every rule may look at. */
export interface FailedAttempt {
  /** The part of the node's policy that decides about this failure; null without a policy. */
  readonly part: PolicyPart | null
  readonly failure: FailureFacts
  /** What the handler threw, where this process has it. */
  readonly thrown?: unknown
  /** How many retries the node has had since it first started, or since somebody retried it by hand. */
  readonly retriesUsed: number
  /** How many attempts it had in the runs that its run repeats; 0 if absent. */
  readonly attemptsBefore?: number
  /** Milliseconds since 1970 by Redis' clock. */
  readonly now: number
  /** The kill switch; `'on'` if absent. */
  readonly retries?: 'on' | 'off'
}

/** The same under a policy, with the delay that the retry would have. */
export interface PolicyCase extends FailedAttempt {
  readonly policy: DelayPolicy
  /** How many of the retries so far the deciding part has given. */
  readonly used: number
  /** Computed when it is first asked for, since it may draw a random number. */
  readonly delay: () => RetryDelay
}

/** A rule decides, or returns null to leave the decision to the next one. */
type Rule<Case> = (attempt: Case) => RecordedDecision | null

/** The rules that hold with any policy and with none, in their order. */
export const ERROR_RULES: readonly Rule<FailedAttempt>[] = [
  retriesDisabled,
  nonRetryable,
  retryRequested,
]

/** The rules of a policy, in their order. Its predicate comes after them. */
export const POLICY_RULES: readonly Rule<PolicyCase>[] = [
  abortOn,
  notInRetryOn,
  notInKinds,
  exhausted,
  allAttemptsMade,
  elapsed,
]

/** The answer of the first rule that has one. */
export function firstAnswer<Case>(
  rules: readonly Rule<Case>[],
  attempt: Case,
): RecordedDecision | null {
  for (const rule of rules) {
    const decision = rule(attempt)
    if (decision !== null) return decision
  }
  return null
}

/** Makes the decision not to retry. */
export function stop(reason: StopReason, detail: string): StopDecision {
  return { action: 'stop', reason, detail }
}

function retriesDisabled({ retries }: FailedAttempt): RecordedDecision | null {
  return retries === 'off' ? stop('retries_disabled', "retries: 'off'") : null
}

function nonRetryable({ failure, thrown }: FailedAttempt): RecordedDecision | null {
  const { name, retryable } = failure.error
  if (retryable !== false && !isNonRetryable(thrown)) return null
  return stop('non_retryable', `${name} asks for no retry`)
}

function retryRequested(attempt: FailedAttempt): RecordedDecision | null {
  const request = readRetryRequest(attempt.thrown)
  if (request === null) return null
  const { retriesUsed } = attempt
  const { maxRetries } = request
  if (maxRetries !== null && retriesUsed >= maxRetries) {
    return stop('exhausted', `${usedOf(retriesUsed, maxRetries)} that RetryRequested allows`)
  }
  const delayMs = requestedDelay(request, attempt.now)
  return (
    allAttemptsMade(attempt) ??
    tooLate(attempt, delayMs) ?? {
      action: 'retry',
      rule: 'retry_requested',
      baseMs: delayMs,
      random: null,
      delayMs,
      retryNumber: retriesUsed + 1,
      maxRetries,
    }
  )
}

function abortOn({ policy, failure, thrown }: PolicyCase): RecordedDecision | null {
  const found = policy.abortOn && findMatcher(policy.abortOn, failure.error, thrown)
  if (found === null || found === undefined) return null
  return stop('abort_on', `abortOn has ${matcherText(found)}`)
}

function notInRetryOn({ policy, failure, thrown }: PolicyCase): RecordedDecision | null {
  const { retryOn } = policy
  if (retryOn === null || findMatcher(retryOn, failure.error, thrown) !== undefined) return null
  const list = retryOn.map(matcherText).join(', ')
  return stop('not_in_retry_on', `${failure.error.name} matches nothing in retryOn: ${list}`)
}

function notInKinds({ policy, failure }: PolicyCase): RecordedDecision | null {
  const { kinds } = policy.spec
  if (kinds === undefined || kinds.includes(failure.kind)) return null
  return stop('not_in_kinds', `${failure.kind} is not in kinds: ${kinds.join(', ')}`)
}

function exhausted({ policy, used }: PolicyCase): RecordedDecision | null {
  const { maxRetries } = policy.spec
  if (maxRetries !== null && !Number.isSafeInteger(maxRetries)) {
    throw new RangeError(`maxRetries: expected a whole number or null, got ${maxRetries}`)
  }
  if (maxRetries === null || used < maxRetries) return null
  return stop('exhausted', usedOf(used, maxRetries))
}

function allAttemptsMade(failed: FailedAttempt): StopDecision | null {
  const { part, failure, attemptsBefore = 0 } = failed
  const { maxTotalAttempts } = delaySpecOf(part) ?? {}
  if (maxTotalAttempts === undefined || maxTotalAttempts === null) return null
  const made = attemptsBefore + failure.attempt
  if (made < maxTotalAttempts) return null
  return stop('exhausted', `${made} attempts made, maxTotalAttempts is ${maxTotalAttempts}`)
}

function elapsed(attempt: PolicyCase): RecordedDecision | null {
  return tooLate(attempt, attempt.delay().delayMs)
}

function tooLate({ part, failure, now }: FailedAttempt, delayMs: number): StopDecision | null {
  const { maxElapsed } = delaySpecOf(part) ?? {}
  if (maxElapsed === undefined) return null
  const startsAfter = Math.max(0, now - failure.firstStartedAt) + delayMs
  if (startsAfter <= maxElapsed) return null
  return stop(
    'elapsed',
    `the retry would start ${startsAfter} ms after the first start, maxElapsed is ${maxElapsed} ms`,
  )
}

function delaySpecOf(part: PolicyPart | null): DelayPolicy['spec'] | null {
  return part?.policy?.type === 'delay' ? part.policy.spec : null
}

function requestedDelay({ delayMs, atMs }: RetryRequest, now: number): number {
  const wanted = delayMs ?? (atMs === null ? 0 : Math.ceil(atMs - now))
  return Math.min(Math.max(0, wanted), MAX_HONORED_DELAY_MS)
}

function usedOf(retriesUsed: number, maxRetries: number): string {
  return `${retriesUsed} of ${maxRetries} retries used`
}
