import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  backoffDelay,
  constantDelay,
  exponentialDelay,
  linearDelay,
  scheduleDelay,
} from '../../src/strategies/backoff.ts'

const SECOND = 1_000

describe('backoffDelay', () => {
  // What Dagster, Procrastinate and Prefect compute for the same settings, in seconds.
  test.each([
    ['Dagster, delay unset', { kind: 'constant', delay: 0 }, 1, 0],
    ['Dagster, delay unset', { kind: 'constant', delay: 0 }, 3, 0],
    ['Dagster, delay 1', { kind: 'constant', delay: SECOND }, 1, 1],
    ['Dagster, delay 1', { kind: 'constant', delay: SECOND }, 3, 1],
    ['Dagster, LINEAR', { kind: 'linear', delay: SECOND, start: 'one' }, 1, 1],
    ['Dagster, LINEAR', { kind: 'linear', delay: SECOND, start: 'one' }, 2, 2],
    ['Dagster, LINEAR', { kind: 'linear', delay: SECOND, start: 'one' }, 3, 3],
    ['Procrastinate, wait=5', { kind: 'constant', delay: 5 * SECOND }, 2, 5],
    ['Procrastinate, wait=5', { kind: 'constant', delay: 5 * SECOND }, 10, 5],
    ['Procrastinate, linear_wait=7', { kind: 'linear', delay: 7 * SECOND, start: 'zero' }, 4, 21],
    ['Procrastinate, linear_wait=5', { kind: 'linear', delay: 5 * SECOND, start: 'zero' }, 1, 0],
    ['Procrastinate, linear_wait=5', { kind: 'linear', delay: 5 * SECOND, start: 'zero' }, 2, 5],
    ['Procrastinate, exponential_wait=2', exponential(2 * SECOND, 2), 6, 64],
    ['Procrastinate, exponential_wait=5', exponential(5 * SECOND, 5), 3, 125],
    ['Procrastinate, exponential_wait=5', exponential(5 * SECOND, 5), 13, 1_220_703_125],
    ['Procrastinate, exponential_wait=1', exponential(SECOND, 1), 8, 1],
    ['Prefect 0.x, one minute', { kind: 'constant', delay: 60 * SECOND }, 1, 60],
    ['Prefect 0.x, no delay', { kind: 'constant', delay: 0 }, 2, 0],
    ['Prefect, 1.5', { kind: 'constant', delay: 1.5 * SECOND }, 1, 1.5],
    ['Prefect, a list', schedule(2, 3, 5, 7, 11), 1, 2],
    ['Prefect, a list', schedule(2, 3, 5, 7, 11), 2, 3],
    ['Prefect, a list', schedule(2, 3, 5, 7, 11), 4, 7],
    ['Prefect, a list', schedule(2, 3, 5, 7, 11), 5, 11],
    ['Prefect, a list that is too short', schedule(1, 2), 3, 2],
    ['Prefect, exponential_backoff(10)', exponential(10 * SECOND, 2), 1, 10],
    ['Prefect, exponential_backoff(10)', exponential(10 * SECOND, 2), 2, 20],
    ['Prefect, exponential_backoff(10)', exponential(10 * SECOND, 2), 3, 40],
  ] as const)('%s: %j, retry %i: %d s', (_name, backoff, n, seconds) => {
    expect(backoffDelay(backoff, n)).toBeCloseTo(seconds * SECOND, 6)
  })

  test('is a number and not negative for any retry', () => {
    const delay = fc.double({ min: 0, max: 1e12, noNaN: true })
    const backoff = fc.oneof(
      fc.record({ kind: fc.constant('constant'), delay }),
      fc.record({ kind: fc.constant('linear'), delay, start: fc.constantFrom('one', 'zero') }),
      fc.record({
        kind: fc.constant('exponential'),
        delay,
        factor: fc.double({ min: 1, max: 1e300, noNaN: true }),
      }),
      fc.record({ kind: fc.constant('schedule'), delays: fc.array(delay, { minLength: 1 }) }),
    )
    fc.assert(
      fc.property(backoff, fc.integer({ min: 1, max: 2 ** 31 }), (settings, n) => {
        expect(backoffDelay(settings, n)).toBeGreaterThanOrEqual(0)
      }),
    )
  })

  test('never shrinks from one retry to the next', () => {
    const backoff = fc.oneof(
      fc.record({ kind: fc.constant('linear'), delay: fc.nat(), start: fc.constant('zero') }),
      fc.record({
        kind: fc.constant('exponential'),
        delay: fc.nat(),
        factor: fc.double({ min: 1, max: 9, noNaN: true }),
      }),
    )
    fc.assert(
      fc.property(backoff, fc.integer({ min: 1, max: 10_000 }), (settings, n) => {
        expect(backoffDelay(settings, n + 1)).toBeGreaterThanOrEqual(backoffDelay(settings, n))
      }),
    )
  })
})

describe('constantDelay', () => {
  test('is the delay', () => expect(constantDelay({ delay: 250 })).toBe(250))
})

describe('linearDelay', () => {
  test.each([
    ['one', [5, 10, 15]],
    ['zero', [0, 5, 10]],
  ] as const)("starts at '%s'", (start, expected) => {
    expect([1, 2, 3].map((n) => linearDelay({ delay: 5, start }, n))).toEqual(expected)
  })
})

describe('exponentialDelay', () => {
  test('stays 0 when the power overflows', () => {
    expect(exponentialDelay({ delay: 0, factor: 2 }, 10_000)).toBe(0)
  })

  test('is Infinity when no double can hold it', () => {
    expect(exponentialDelay({ delay: 1, factor: 2 }, 10_000)).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('scheduleDelay', () => {
  test('repeats the last delay', () => {
    expect([1, 2, 3, 10_000].map((n) => scheduleDelay({ delays: [1, 5] }, n))).toEqual([1, 5, 5, 5])
  })

  test('refuses an empty schedule', () => {
    expect(() => scheduleDelay({ delays: [] }, 1)).toThrow('no delay for retry 1')
  })
})

function exponential(delay: number, factor: number) {
  return { kind: 'exponential', delay, factor } as const
}

function schedule(...seconds: number[]) {
  return { kind: 'schedule', delays: seconds.map((value) => value * SECOND) } as const
}
