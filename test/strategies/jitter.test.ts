import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  clampedPoissonJitter,
  clampedPoissonLargest,
} from '../../src/strategies/clamped-poisson.ts'
import { drawFor } from '../../src/strategies/draw.ts'
import {
  equalJitter,
  fullJitter,
  type JitterOption,
  jitterOf,
  largestSpread,
  noJitter,
  plusMinusJitter,
  proportionalJitter,
} from '../../src/strategies/jitter.ts'

const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const maxDelay = fc.double({ min: 1e-6, max: 1e12, noNaN: true })

/** Every jitter, with what it makes of 1000 ms: the least, the mean (null: no simple number), and the most. */
const ALL: readonly (readonly [JitterOption, number, number | null, number])[] = [
  ['none', 1000, 1000, 1000],
  ['full', 0, 500, 1000],
  ['equal', 500, 750, 1000],
  ['plusMinus', 0, 1000, 2000],
  [{ proportional: 0 }, 1000, 1000, 1000],
  [{ proportional: 0.2 }, 800, 1000, 1200],
  [{ proportional: 1 }, 0, 1000, 2000],
  [{ clampedPoisson: 0 }, 1000, 1000, 1000],
  [{ clampedPoisson: 0.3 }, 751.771704, 1000, 1300],
  [{ clampedPoisson: 1 }, 415.0374993, null, 2000],
]

describe('jitterOf', () => {
  test.each(ALL.map(([jitter]) => [jitter]))('%j never gives more than maxDelay', (option) => {
    const { largestBase, spread } = jitterOf(option)
    fc.assert(
      fc.property(maxDelay, random, random, (most, share, drawn) => {
        const d = (most / 2) * share
        const delay = spread(largestBase(most, d), drawn, d)
        expect(delay).toBeGreaterThanOrEqual(0)
        expect(delay).toBeLessThanOrEqual(most * (1 + 1e-12))
      }),
    )
  })

  test.each(ALL)('%j of 1000 ms lies in its range with its mean', (option, least, mean, most) => {
    const delays = Array.from({ length: 20_000 }, (_, i) =>
      jitterOf(option).spread(1000, drawFor('seed', 'node', i), 1000),
    )
    const sum = delays.reduce((total, delay) => total + delay, 0)
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(least - 1e-6)
    expect(Math.max(...delays)).toBeLessThanOrEqual(most + 1e-6)
    if (mean !== null) expect(Math.abs(sum / delays.length - mean)).toBeLessThan(mean / 50)
    // It uses its whole range.
    expect(Math.min(...delays)).toBeLessThan(least + 2)
    expect(Math.max(...delays)).toBeGreaterThan(most - 2)
    expect(largestSpread(option, 1000)).toBeCloseTo(most, 6)
  })
})

describe('noJitter', () => {
  test('leaves the base', () => expect(noJitter(1000)).toBe(1000))
})

describe('fullJitter', () => {
  // Dagster's FULL on its LINEAR and EXPONENTIAL bases, in seconds.
  test.each([
    [2, 0.25, 0.5],
    [3, 0.5, 1.5],
    [3, 0, 0],
    [1, 0.25, 0.25],
  ])('of %d with the draw %d is %d', (baseMs, drawn, expected) => {
    expect(fullJitter(baseMs, drawn)).toBe(expected)
  })
})

describe('equalJitter', () => {
  test.each([
    [1000, 0, 500],
    [1000, 0.5, 750],
    [1000, 1 - 2 ** -53, 1000],
    [0, 0.5, 0],
  ])('of %d with the draw %d is about %d', (baseMs, drawn, expected) => {
    expect(equalJitter(baseMs, drawn)).toBeCloseTo(expected, 9)
  })
})

describe('plusMinusJitter', () => {
  test.each([
    [3, 0.25, 1, 2.5],
    [3, 0.75, 1, 3.5],
    [1, 0, 1, 0],
    [0, 0, 1, 0],
  ])('of %d with the draw %d around %d is %d', (baseMs, drawn, delay, expected) => {
    expect(plusMinusJitter(baseMs, drawn, delay)).toBe(expected)
  })
})

describe('proportionalJitter', () => {
  test.each([
    [1000, 0, 0.25, 750],
    [1000, 0.5, 0.25, 1000],
    [0, 0.9, 1, 0],
  ])('of %d with the draw %d and x = %d is %d', (baseMs, drawn, x, expected) => {
    expect(proportionalJitter(baseMs, drawn, x)).toBe(expected)
  })
})

describe('clampedPoissonJitter', () => {
  test('leaves the base with the factor 0, and 0 with any factor', () => {
    expect(clampedPoissonJitter(1000, 0.9, 0)).toBe(1000)
    expect(clampedPoissonJitter(0, 0.9, 5)).toBe(0)
  })

  test('has an end, however large its factor', () => {
    expect(clampedPoissonLargest(1e6)).toBeCloseTo(23.0258509, 6)
    expect(clampedPoissonJitter(1, 1 - 2 ** -53, 1e6)).toBeLessThanOrEqual(23.02585093)
  })
})
