import { type RecordedDecision, storeError } from '../core/failure.ts'
import { type Draw, drawOnce, retryDelay } from './delay.ts'
import type { Policy } from './policy.ts'
import { maxRetriesOf } from './policy-limits.ts'
import {
  askPredicate,
  failureForPredicate,
  PREDICATE_TIMEOUT_MS,
  type PredicateAnswer,
} from './predicate.ts'
import {
  ERROR_RULES,
  type FailedAttempt,
  firstAnswer,
  POLICY_RULES,
  type PolicyCase,
  stop,
} from './rules.ts'

/** What a decision is made from. */
export interface DecideInput extends FailedAttempt {
  /** The source of the random number in [0, 1). It is asked at most once, and only if the number is needed. */
  readonly random: () => number
  /** How long `when` may take, in ms; 5 s if absent. */
  readonly predicateTimeoutMs?: number
}

/**
 * Decides whether and when a failed attempt is retried. The order: `retries: 'off'`, `NonRetryable`,
 * `RetryRequested`, no policy, `abortOn`, `retryOn`, `kinds`, `maxRetries`, `maxElapsed`, `when`. The first that
 * applies wins. A cancel beats them all, and is the scripts' business.
 *
 * It never throws or rejects: a policy that is broken in any way ends in `policy_error`. It answers synchronously
 * unless `when` gives a promise.
 */
export function decideRetry(input: DecideInput): RecordedDecision | Promise<RecordedDecision> {
  try {
    const answer = firstAnswer(ERROR_RULES, input)
    if (answer !== null) return answer
    if (input.policy === null) return stop('no_policy', 'no retry policy is set')
    return decideByPolicy(input, input.policy)
  } catch (thrown) {
    return policyError(thrown)
  }
}

function decideByPolicy(
  input: DecideInput,
  policy: Policy,
): RecordedDecision | Promise<RecordedDecision> {
  const draw = drawOnce(input.random)
  const attempt = policyCase(input, policy, draw)
  const answer = firstAnswer(POLICY_RULES, attempt)
  if (answer !== null) return answer
  if (policy.when === null) return retry(attempt, draw)
  const failure = failureForPredicate(input.failure, draw.next)
  const { predicateTimeoutMs = PREDICATE_TIMEOUT_MS } = input
  const predicted = askPredicate(policy.when, failure, predicateTimeoutMs)
  return predicted instanceof Promise
    ? predicted.then((settled) => afterPredicate(settled, attempt, draw)).catch(policyError)
    : afterPredicate(predicted, attempt, draw)
}

function policyCase(input: DecideInput, policy: Policy, draw: Draw): PolicyCase {
  let delay: ReturnType<PolicyCase['delay']> | undefined
  return {
    ...input,
    policy,
    delay: () => {
      if (policy.spec.kind === 'none') throw new RangeError('a policy without retries has no delay')
      delay ??= retryDelay(policy.spec, input.retriesUsed + 1, draw.next)
      return delay
    },
  }
}

function afterPredicate(
  answer: PredicateAnswer,
  attempt: PolicyCase,
  draw: Draw,
): RecordedDecision {
  if ('problem' in answer) return stop('predicate_error', answer.problem)
  return answer.retry ? retry(attempt, draw) : stop('predicate_false', 'when(failure) gave false')
}

function retry(attempt: PolicyCase, draw: Draw): RecordedDecision {
  const { baseMs, delayMs } = attempt.delay()
  return {
    action: 'retry',
    rule: 'policy',
    baseMs,
    random: draw.drawn(),
    delayMs,
    retryNumber: attempt.retriesUsed + 1,
    maxRetries: maxRetriesOf(attempt.policy),
  }
}

function policyError(thrown: unknown): RecordedDecision {
  const { name, message } = storeError(thrown)
  return stop('policy_error', `${name}: ${message}`)
}
