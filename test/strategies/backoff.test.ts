import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { backoffDelay } from '../../src/strategies/backoff.ts'
import { constantDelay } from '../../src/strategies/constant-backoff.ts'
import { decorrelatedRange } from '../../src/strategies/decorrelated-backoff.ts'
import { exponentialDelay } from '../../src/strategies/exponential-backoff.ts'
import { fibonacciDelay } from '../../src/strategies/fibonacci-backoff.ts'
import { linearDelay } from '../../src/strategies/linear-backoff.ts'
import { polynomialDelay } from '../../src/strategies/polynomial-backoff.ts'
import { scheduleDelay } from '../../src/strategies/schedule-backoff.ts'
import { type PlainBackoff, sumDelay } from '../../src/strategies/sum-backoff.ts'

const SECOND = 1_000

describe('backoffDelay', () => {
  // What Dagster, Procrastinate and Prefect compute for the same settings, in seconds.
  test.each<[string, PlainBackoff, number, number]>([
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
  ])('%s: %j, retry %i: %d s', (_name, backoff, n, seconds) => {
    expect(backoffDelay(backoff, n)).toBeCloseTo(seconds * SECOND, 6)
  })

  test('is a number and not negative for any retry', () => {
    const delay = fc.double({ min: 0, max: 1e12, noNaN: true })
    const backoff: fc.Arbitrary<PlainBackoff> = fc.oneof(
      fc.record({ kind: fc.constant('constant'), delay }),
      fc.record({ kind: fc.constant('fibonacci'), delay }),
      fc.record({
        kind: fc.constant('polynomial'),
        delay,
        exponent: fc.double({ min: 0, max: 1e3, noNaN: true }),
      }),
      fc.record({ kind: fc.constant('linear'), delay, start: fc.constantFrom('one', 'zero') }),
      fc.record({
        kind: fc.constant('exponential'),
        delay,
        factor: fc.double({ min: 1, max: 1e300, noNaN: true }),
        form: fc.constantFrom('factor', 'power', 'dagster'),
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
    const backoff: fc.Arbitrary<PlainBackoff> = fc.oneof(
      fc.record({ kind: fc.constant('fibonacci'), delay: fc.nat() }),
      fc.record({
        kind: fc.constant('polynomial'),
        delay: fc.nat(),
        exponent: fc.double({ min: 0, max: 9, noNaN: true }),
      }),
      fc.record({ kind: fc.constant('linear'), delay: fc.nat(), start: fc.constant('zero') }),
      fc.record({
        kind: fc.constant('exponential'),
        delay: fc.nat(),
        factor: fc.double({ min: 1, max: 9, noNaN: true }),
        form: fc.constantFrom('factor', 'dagster'),
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
    for (const form of ['factor', 'power', 'dagster'] as const)
      expect(exponentialDelay({ delay: 0, factor: 2, form }, 10_000)).toBe(0)
  })

  test('is Infinity when no double can hold it', () => {
    expect(exponentialDelay({ delay: 1, factor: 2, form: 'factor' }, 10_000)).toBe(
      Number.POSITIVE_INFINITY,
    )
  })
})

describe('exponentialDelay, in other forms', () => {
  test.each([
    ['power', 5_000, [5_000, 25_000, 125_000]],
    ['power', 1_000, [1_000, 1_000, 1_000]],
    ['dagster', 200, [200, 600, 1_400]],
  ] as const)('%s of %i ms', (form, delay, expected) => {
    const delays = [1, 2, 3].map((n) => exponentialDelay({ delay, factor: 9, form }, n))
    expect(delays).toEqual(expected)
  })
})

describe('polynomialDelay', () => {
  test('is d·n^e', () => {
    const delays = [1, 2, 3].map((n) => polynomialDelay({ delay: 10, exponent: 2 }, n))
    expect(delays).toEqual([10, 40, 90])
  })

  test('stays 0 when the power overflows', () => {
    expect(polynomialDelay({ delay: 0, exponent: 1e3 }, 10_000)).toBe(0)
  })
})

describe('fibonacciDelay', () => {
  test('is d·F(n)', () => {
    const delays = [1, 2, 3, 4, 5, 6, 7].map((n) => fibonacciDelay({ delay: 10 }, n))
    expect(delays).toEqual([10, 10, 20, 30, 50, 80, 130])
  })

  test('is Infinity when no double can hold it', () => {
    expect(fibonacciDelay({ delay: 1 }, 1_476)).toBeLessThan(Number.POSITIVE_INFINITY)
    expect(fibonacciDelay({ delay: 1 }, 1_477)).toBe(Number.POSITIVE_INFINITY)
    expect(fibonacciDelay({ delay: 0 }, 10_000)).toBe(0)
  })
})

describe('sumDelay', () => {
  test('adds its parts', () => {
    const parts: PlainBackoff[] = [
      { kind: 'constant', delay: 10_000 },
      { kind: 'linear', delay: 5_000, start: 'zero' },
      { kind: 'exponential', delay: 2_000, factor: 2, form: 'power' },
    ]
    expect([1, 2, 3].map((n) => sumDelay({ parts }, n))).toEqual([12_000, 19_000, 28_000])
  })
})

describe('decorrelatedRange', () => {
  test.each([
    ['before the first retry', 0, 1_000, { least: 100, most: 300 }],
    ['after a delay', 250, 1_000, { least: 100, most: 750 }],
    ['at the cap', 900, 1_000, { least: 100, most: 1_000 }],
    ['with a cap below d', 0, 50, { least: 50, most: 50 }],
  ])('%s', (_name, previousMs, maxDelay, expected) => {
    expect(decorrelatedRange({ delay: 100 }, previousMs, maxDelay)).toEqual(expected)
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
  return { kind: 'exponential', delay, factor, form: 'factor' } as const
}

function schedule(...seconds: number[]) {
  return { kind: 'schedule', delays: seconds.map((value) => value * SECOND) } as const
}
