import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  ASK_TIMEOUT_MS,
  askWithin,
  failureToShow,
  type Question,
} from '../../src/strategies/ask.ts'
import { quote } from '../../src/strategies/option-schemas.ts'
import type { PolicyFailure } from '../../src/strategies/policy-failure.ts'
import { failedAttempt } from './failed-attempt.ts'

const { failure: facts } = failedAttempt(null)
const failure = failureToShow(facts, () => 0.5)

function askAbout(ask: Question<boolean>['ask'], about: PolicyFailure, timeoutMs: number) {
  const read = (answer: unknown) => {
    if (typeof answer === 'boolean') return answer
    throw new RangeError(`expected true or false, got ${quote(answer)}`)
  }
  return askWithin({ what: 'when(failure)', ask, read }, about, timeoutMs)
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('askWithin', () => {
  test('answers at once when the predicate does', () => {
    expect(askAbout(() => true, failure, ASK_TIMEOUT_MS)).toEqual({ answer: true })
    expect(askAbout(() => false, failure, ASK_TIMEOUT_MS)).toEqual({ answer: false })
  })

  test('waits for a promise, and leaves no timer behind', async () => {
    await expect(askAbout(async () => true, failure, 5_000)).resolves.toEqual({ answer: true })
    expect(vi.getTimerCount()).toBe(0)
  })

  test('gives up on a promise that does not settle', async () => {
    const answer = askAbout(() => new Promise(() => {}), failure, ASK_TIMEOUT_MS)
    await vi.advanceTimersByTimeAsync(5_000)
    await expect(answer).resolves.toEqual({
      problem: "when(failure) didn't settle within 5000 ms",
    })
    expect(vi.getTimerCount()).toBe(0)
  })

  test('ignores a rejection that comes too late', async () => {
    const { promise, reject } = deferred()
    const answer = askAbout(() => promise, failure, 10)
    await vi.advanceTimersByTimeAsync(10)
    reject(new Error('late'))
    await expect(answer).resolves.toHaveProperty('problem')
  })

  test.each<[string, () => unknown, string]>([
    ['throws', () => fail(new TypeError('no')), 'when(failure) threw TypeError: no'],
    ['throws undefined', () => fail(undefined), 'when(failure) threw Error: thrown undefined'],
    [
      'rejects',
      () => Promise.reject(new TypeError('no')),
      'when(failure) rejected with TypeError: no',
    ],
    ['gives undefined', () => undefined, 'expected true or false, got undefined'],
    ['gives a number', () => 1, 'expected true or false, got 1'],
    ['gives a text', () => 'true', 'expected true or false, got "true"'],
    ['gives an object', () => ({}), 'expected true or false, got an object (Error)'],
    ['gives a promise of a number', async () => 1, 'expected true or false, got 1'],
    ['gives a hostile thenable', () => hostileThenable(), 'expected true or false, got an object'],
    [
      'writes to the failure',
      () => Object.assign(failure, { attempt: 9 }),
      'when(failure) threw TypeError',
    ],
    [
      'writes deep into the failure',
      () => Object.assign(failure.run, { id: '' }),
      'when(failure) threw TypeError',
    ],
  ])('says what is wrong when it %s', async (_name, when, problem) => {
    const answer = await askAbout(when, failure, 5_000)
    expect(answer).toEqual({ problem: expect.stringContaining(problem) })
  })
})

describe('failureToShow', () => {
  test('is all that is known, and the random number', () => {
    expect({ ...failure }).toEqual({ ...facts, random: 0.5 })
  })

  test('is frozen at every level, while what it was made of is not', () => {
    for (const part of [
      failure,
      failure.error,
      failure.error.names,
      failure.input,
      failure.delays,
    ]) {
      expect(Object.isFrozen(part)).toBe(true)
    }
    expect(Object.isFrozen(facts.input)).toBe(false)
  })

  test('draws its random number only when it is read', () => {
    const random = vi.fn(() => 0.25)
    const lazy = failureToShow(facts, random)
    expect(random).not.toHaveBeenCalled()
    expect(lazy.random).toBe(0.25)
  })
})

function deferred() {
  let reject: (error: Error) => void = () => {}
  const promise = new Promise<boolean>((_resolve, rejectPromise) => {
    reject = rejectPromise
  })
  return { promise, reject }
}

function fail(thrown: unknown): never {
  throw thrown
}

function hostileThenable(): object {
  return Object.defineProperty({}, 'then', {
    get: () => {
      throw new Error('then')
    },
  })
}
