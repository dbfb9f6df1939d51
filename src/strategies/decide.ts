import { type RecordedDecision, storeError } from '../core/failure.ts'
import { type Answer, ASK_TIMEOUT_MS, askWithin, failureToShow } from './ask.ts'
import { choosePart, type PolicyPart } from './choose-part.ts'
import { type Draw, drawOnce, type RetryDelay, retryDelay } from './delay.ts'
import { quote } from './option-schemas.ts'
import type { DelayPolicy, NamedPolicy, Policy } from './policy-types.ts'
import { type CheckedRetryDecision, readRetryDecision } from './retry-decision.ts'
import {
  ERROR_RULES,
  type FailedAttempt,
  firstAnswer,
  POLICY_RULES,
  type PolicyCase,
  stop,
} from './rules.ts'

/** What a decision is made from. */
export interface DecideInput extends Omit<FailedAttempt, 'part'> {
  /** Its plug-ins are bound (see `PolicyRegistry`); null without a policy. */
  readonly policy: Policy | null
  /** The source of the random number in [0, 1). It is asked at most once, and only if the number is needed. */
  readonly random: () => number
  /** How long `when`, or a plug-in's `decide`, may take, in ms; 5 s if absent. */
  readonly askTimeoutMs?: number
}

type Decision = RecordedDecision | Promise<RecordedDecision>

/**
 * Decides whether and when a failed attempt is retried. The order: `retries: 'off'`, `NonRetryable`,
 * `RetryRequested`, no policy, `abortOn`, `retryOn`, `kinds`, `maxRetries`, `maxTotalAttempts`, `maxElapsed`, `when`.
 * The first that applies wins; of a composed policy they are the rules of the part that decides, and a plug-in takes the
 * place of all that come after "no policy". A cancel beats them all, and is the scripts' business.
 *
 * It never throws or rejects: a policy that is broken in any way ends in `policy_error`. It answers synchronously
 * unless a user's function gives a promise.
 */
export function decideRetry(input: DecideInput): Decision {
  try {
    const { policy, failure, thrown, retriesUsed } = input
    const part = policy && choosePart(policy, failure.error, thrown, retriesUsed)
    return firstAnswer(ERROR_RULES, { ...input, part }) ?? decideByPart(input, part)
  } catch (thrown) {
    return policyError(thrown)
  }
}

function decideByPart(input: DecideInput, part: PolicyPart | null): Decision {
  if (part === null) return stop('no_policy', 'no retry policy is set')
  const { policy } = part
  if (policy === null) {
    return stop('not_in_retry_on', `${input.failure.error.name} matches none of the ${part.path}`)
  }
  switch (policy.type) {
    case 'none':
      return stop('exhausted', '0 of 0 retries used')
    case 'delay':
      return decideByDelay(input, part, policy)
    case 'named':
      return decideByPlugin(input, part, policy)
    default:
      throw new RangeError(`expected a policy that decides, got ${quote(policy)}`)
  }
}

function decideByDelay(input: DecideInput, part: PolicyPart, policy: DelayPolicy): Decision {
  const draw = drawOnce(input.random)
  const attempt = delayCase(input, part, policy, draw)
  const answer = firstAnswer(POLICY_RULES, attempt)
  if (answer !== null) return answer
  const { when } = policy
  if (when === null) return retryAfter(attempt, part, draw)
  const predicted = askWithin(
    { what: 'when(failure)', ask: when, read: readPrediction },
    failureToShow(input.failure, draw.next),
    input.askTimeoutMs ?? ASK_TIMEOUT_MS,
  )
  const decide = (given: Answer<boolean>) => {
    if ('problem' in given) return stop('predicate_error', given.problem)
    if (!given.answer) return stop('predicate_false', 'when(failure) gave false')
    return retryAfter(attempt, part, draw)
  }
  return settled(predicted, decide)
}

function readPrediction(answer: unknown): boolean {
  if (typeof answer === 'boolean') return answer
  throw new RangeError(`expected true or false, got ${quote(answer)}`)
}

function delayCase(
  input: DecideInput,
  part: PolicyPart,
  policy: DelayPolicy,
  draw: Draw,
): PolicyCase {
  const used = input.retriesUsed - part.before
  const previousMs = input.failure.delays.findLast((ms) => ms > 0)
  let delay: RetryDelay | undefined
  return {
    ...input,
    part,
    policy,
    used,
    delay: () => {
      delay ??= retryDelay(policy.spec, used + 1, draw.next, previousMs)
      return delay
    },
  }
}

function retryAfter(attempt: PolicyCase, part: PolicyPart, draw: Draw): RecordedDecision {
  const { baseMs, jitteredMs, delayMs } = attempt.delay()
  return {
    action: 'retry',
    rule: 'policy',
    ...(part.path !== '' && { part: part.path }),
    baseMs,
    random: draw.drawn(),
    ...(jitteredMs !== baseMs && { jitteredMs }),
    delayMs,
    retryNumber: attempt.retriesUsed + 1,
    maxRetries: attempt.policy.spec.maxRetries,
  }
}

function decideByPlugin(input: DecideInput, part: PolicyPart, policy: NamedPolicy): Decision {
  const { name, decide: ask } = policy
  if (ask === null) {
    return stop('policy_error', `the policy ${name} is known here by its name only`)
  }
  const draw = drawOnce(input.random)
  const { queue, priority } = input.failure
  const read = (answer: unknown) => readRetryDecision(answer, { queue, priority, now: input.now })
  const answered = askWithin(
    { what: name, ask, read },
    failureToShow(input.failure, draw.next),
    input.askTimeoutMs ?? ASK_TIMEOUT_MS,
  )
  const place = part.path === '' ? name : `${part.path}.${name}`
  const decide = (given: Answer<CheckedRetryDecision | null>) => {
    if ('problem' in given) return stop('policy_error', given.problem)
    if (given.answer === null) return stop('predicate_false', `${name} gave null`)
    return pluginRetry(input, place, draw, given.answer)
  }
  return settled(answered, decide)
}

function pluginRetry(
  { failure, retriesUsed }: DecideInput,
  part: string,
  draw: Draw,
  { delayMs, queue, priority, lock, reason }: CheckedRetryDecision,
): RecordedDecision {
  const isMoved = queue !== failure.queue || priority !== failure.priority
  return {
    action: 'retry',
    rule: 'policy',
    part,
    baseMs: delayMs,
    random: draw.drawn(),
    delayMs,
    retryNumber: retriesUsed + 1,
    maxRetries: null,
    ...(isMoved && { place: { queue, priority } }),
    ...(lock !== undefined && { lock }),
    ...(reason !== null && { detail: reason }),
  }
}

function settled<T>(
  given: Answer<T> | Promise<Answer<T>>,
  decide: (answer: Answer<T>) => RecordedDecision,
): Decision {
  return given instanceof Promise ? given.then(decide).catch(policyError) : decide(given)
}

function policyError(thrown: unknown): RecordedDecision {
  const { name, message } = storeError(thrown)
  return stop('policy_error', `${name}: ${message}`)
}
