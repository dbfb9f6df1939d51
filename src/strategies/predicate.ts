import { storeError } from '../core/failure.ts'
import { frozenCopy } from './frozen-copy.ts'
import { quote } from './option-schemas.ts'
import type { FailureFacts, PolicyFailure } from './policy-failure.ts'
import type { Predicate } from './policy-options.ts'

/** How long `when` may take. */
export const PREDICATE_TIMEOUT_MS = 5_000

/** What came of asking a predicate: its answer, or what was wrong with it. */
export type PredicateAnswer = { readonly retry: boolean } | { readonly problem: string }

/**
 * Asks a predicate. It never throws or rejects, and a predicate that answers synchronously is answered for
 * synchronously.
 */
export function askPredicate(
  when: Predicate,
  failure: PolicyFailure,
  timeoutMs: number,
): PredicateAnswer | Promise<PredicateAnswer> {
  let answer: unknown
  try {
    answer = when(failure)
  } catch (thrown) {
    return { problem: `when(failure) threw ${errorText(thrown)}` }
  }
  return typeof answer === 'object' && answer !== null
    ? settleWithin(answer, timeoutMs)
    : readAnswer(answer)
}

/** The failure as a predicate sees it: a frozen copy, with the random number drawn when it is first read. */
export function failureForPredicate(facts: FailureFacts, random: () => number): PolicyFailure {
  return Object.freeze({
    ...frozenCopy(facts),
    get random() {
      return random()
    },
  })
}

async function settleWithin(answer: object, timeoutMs: number): Promise<PredicateAnswer> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<PredicateAnswer>((resolve) => {
    const problem = `when(failure) didn't settle within ${timeoutMs} ms`
    timer = setTimeout(() => resolve({ problem }), timeoutMs)
  })
  try {
    return await Promise.race([readSettled(answer), late])
  } finally {
    clearTimeout(timer)
  }
}

async function readSettled(answer: object): Promise<PredicateAnswer> {
  try {
    return readAnswer(await answer)
  } catch (thrown) {
    return { problem: `when(failure) rejected with ${errorText(thrown)}` }
  }
}

function readAnswer(answer: unknown): PredicateAnswer {
  if (typeof answer === 'boolean') return { retry: answer }
  return { problem: `when(failure): expected true or false, got ${quote(answer)}` }
}

function errorText(thrown: unknown): string {
  const { name, message } = storeError(thrown)
  return `${name}: ${message}`
}
