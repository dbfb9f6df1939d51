import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { drawOnce, retryDelay } from '../../src/strategies/delay.ts'
import { drawFor } from '../../src/strategies/draw.ts'
import type { JitterName } from '../../src/strategies/jitter.ts'
import { policy } from '../../src/strategies/policy.ts'
import type { DelayPolicy } from '../../src/strategies/policy-types.ts'
import { arbitraryRetryingPolicy } from './arbitrary-policy.ts'

const exponential = (maxDelay: number, jitter: JitterName) =>
  ({ kind: 'exponential', delay: 1000, factor: 2, form: 'factor', maxDelay, jitter }) as const

describe('retryDelay', () => {
  test('is a whole number in [0, maxDelay] for any policy and retry', () => {
    const draws = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    const retries = fc.oneof(fc.integer({ min: 1, max: 10_000 }), fc.constantFrom(1, 1024, 10_000))
    fc.assert(
      fc.property(arbitraryRetryingPolicy, retries, draws, ({ spec }, n, random) => {
        const { baseMs, delayMs } = retryDelay(spec, n, () => random)
        expect(Number.isSafeInteger(delayMs)).toBe(true)
        expect(delayMs).toBeGreaterThanOrEqual(0)
        expect(delayMs).toBeLessThanOrEqual(spec.maxDelay)
        expect(baseMs).toBeLessThanOrEqual(spec.maxDelay)
      }),
      { numRuns: 2_000 },
    )
  })

  test.each([
    ['before the cap', 2, { baseMs: 2000, delayMs: 500 }],
    ['at the cap', 7, { baseMs: 60_000, delayMs: 15_000 }],
    ['when the backoff overflows', 10_000, { baseMs: 60_000, delayMs: 15_000 }],
  ])('spreads %s', (_name, n, expected) => {
    expect(retryDelay(exponential(60_000, 'full'), n, () => 0.25)).toMatchObject(expected)
  })

  test('still spreads a herd that has reached the cap', () => {
    const delays = Array.from(
      { length: 1000 },
      (_, i) =>
        retryDelay(exponential(60_000, 'full'), 50, () => drawFor('run', `n${i}`, 50)).delayMs,
    )
    expect(new Set(delays).size).toBeGreaterThan(900)
  })

  test.each<[string, DelayPolicy]>([
    ['equal', policy.exponential({ jitter: 'equal', maxDelay: '1m' })],
    ['plusMinus', policy.linear({ delay: '10s', jitter: 'plusMinus', maxDelay: '1m' })],
    ['proportional', policy.fibonacci({ delay: 5, jitter: { proportional: 0.5 }, maxDelay: '1m' })],
    [
      'clampedPoisson',
      policy.polynomial({ delay: 9, jitter: { clampedPoisson: 1 }, maxDelay: '1m' }),
    ],
    ['decorrelated', policy.decorrelated({ delay: '1s', maxDelay: '1m' })],
  ])('still spreads a capped herd: %s', (_name, { spec }) => {
    const delays = Array.from({ length: 1_000 }, (_, i) => {
      const draw = () => drawFor('run', `n${i}`, 9_000)
      return retryDelay(spec, 9_000, draw, 60_000).delayMs
    })
    expect(new Set(delays).size).toBeGreaterThan(900)
    expect(Math.max(...delays)).toBeLessThanOrEqual(60_000)
    expect(Math.max(...delays)).toBeGreaterThan(59_000)
  })

  test('draws decorrelated delays evenly between d and three times the one before', () => {
    const { spec } = policy.decorrelated({ delay: 1_000 })
    const delays = Array.from(
      { length: 20_000 },
      (_, i) => retryDelay(spec, 2, () => drawFor('seed', 'node', i), 3_000).delayMs,
    )
    const mean = delays.reduce((total, ms) => total + ms, 0) / delays.length
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(1_000)
    expect(Math.min(...delays)).toBeLessThan(1_010)
    expect(Math.max(...delays)).toBeLessThanOrEqual(9_000)
    expect(Math.max(...delays)).toBeGreaterThan(8_990)
    expect(Math.abs(mean - 5_000)).toBeLessThan(50)
  })

  test('rounds to the nearest ms', () => {
    const settings = {
      kind: 'exponential',
      delay: 1000,
      factor: 1.1,
      form: 'factor',
      maxDelay: 9999,
    } as const
    // 1000 · 1.1² is 1210.0000000000002 in doubles.
    expect(retryDelay({ ...settings, jitter: 'none' }, 3, () => 0).delayMs).toBe(1210)
  })

  test('draws only when its jitter needs a number', () => {
    const draw = vi.fn(() => 0.5)
    retryDelay(exponential(60_000, 'none'), 1, draw)
    expect(draw).not.toHaveBeenCalled()
    retryDelay(exponential(60_000, 'equal'), 1, draw)
    expect(draw).toHaveBeenCalledOnce()
  })

  test.each([
    ['a delay that is NaN', Number.NaN],
    ['a negative delay', -5],
  ])('refuses %s', (_name, delay) => {
    const settings = { kind: 'constant', delay, maxDelay: 1000, jitter: 'none' } as const
    expect(() => retryDelay(settings, 1, () => 0)).toThrow(
      `the delay of retry 1: expected 0 to 1000 ms, got ${delay} ms`,
    )
  })
})

describe('drawOnce', () => {
  test('asks its source once', () => {
    const random = vi.fn(() => 0.25)
    const draw = drawOnce(random)
    expect(draw.drawn()).toBeNull()
    expect([draw.next(), draw.next(), draw.drawn()]).toEqual([0.25, 0.25, 0.25])
    expect(random).toHaveBeenCalledOnce()
  })

  test.each([1, -0.1, Number.NaN, Number.POSITIVE_INFINITY])('refuses %d', (value) => {
    expect(() => drawOnce(() => value).next()).toThrow(
      `random: expected a number in [0, 1), got ${value}`,
    )
  })
})
