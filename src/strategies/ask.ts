import { storeError } from '../core/failure.ts'
import { frozenCopy } from './frozen-copy.ts'
import type { FailureFacts, PolicyFailure } from './policy-failure.ts'

/** How long a user's function may take to decide. */
export const ASK_TIMEOUT_MS = 5_000

/** What came of asking: an answer, or what was wrong. */
export type Answer<T> = { readonly answer: T } | { readonly problem: string }

/** A user's function that decides, and how its answer is read. */
export interface Question<T> {
  /** What is asked, for messages: `when(failure)`. */
  readonly what: string
  ask(failure: PolicyFailure): unknown
  /** Throws an Error that says what was expected and got. */
  read(answer: unknown): T
}

/**
 * Asks a user's function. It never throws or rejects, and a function that answers synchronously is answered for
 * synchronously.
 */
export function askWithin<T>(
  question: Question<T>,
  failure: PolicyFailure,
  timeoutMs: number,
): Answer<T> | Promise<Answer<T>> {
  let answer: unknown
  try {
    answer = question.ask(failure)
  } catch (thrown) {
    return { problem: `${question.what} threw ${errorText(thrown)}` }
  }
  return isThenable(answer)
    ? settleWithin(question, answer, timeoutMs)
    : readAnswer(question, answer)
}

/** The failure as a user's function sees it: a frozen copy, with the random number drawn when it is first read. */
export function failureToShow(facts: FailureFacts, random: () => number): PolicyFailure {
  return Object.freeze({
    ...frozenCopy(facts),
    get random() {
      return random()
    },
  })
}

function isThenable(answer: unknown): answer is PromiseLike<unknown> {
  try {
    return (
      typeof answer === 'object' &&
      answer !== null &&
      'then' in answer &&
      typeof answer.then === 'function'
    )
  } catch {
    // What can't be read is no promise; reading the answer says what is wrong with it.
    return false
  }
}

async function settleWithin<T>(
  question: Question<T>,
  answer: PromiseLike<unknown>,
  timeoutMs: number,
): Promise<Answer<T>> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Answer<T>>((resolve) => {
    const problem = `${question.what} didn't settle within ${timeoutMs} ms`
    timer = setTimeout(() => resolve({ problem }), timeoutMs)
  })
  try {
    return await Promise.race([readSettled(question, answer), late])
  } finally {
    clearTimeout(timer)
  }
}

async function readSettled<T>(
  question: Question<T>,
  answer: PromiseLike<unknown>,
): Promise<Answer<T>> {
  let settled: unknown
  try {
    settled = await answer
  } catch (thrown) {
    return { problem: `${question.what} rejected with ${errorText(thrown)}` }
  }
  return readAnswer(question, settled)
}

function readAnswer<T>({ what, read }: Question<T>, answer: unknown): Answer<T> {
  try {
    return { answer: read(answer) }
  } catch (thrown) {
    return { problem: `${what}: ${storeError(thrown).message}` }
  }
}

function errorText(thrown: unknown): string {
  const { name, message } = storeError(thrown)
  return `${name}: ${message}`
}
