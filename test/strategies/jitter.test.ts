import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { drawFor } from '../../src/strategies/draw.ts'
import {
  equalJitter,
  fullJitter,
  JITTER_NAMES,
  JITTERS,
  noJitter,
} from '../../src/strategies/jitter.ts'

const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
// Below this a double has fewer bits, and half of it is rounded.
const base = fc.oneof(fc.constant(0), fc.double({ min: 1e-9, max: 1e12, noNaN: true }))

describe('JITTERS', () => {
  test.each(JITTER_NAMES)('%s gives at most the multiple of the base that it says', (name) => {
    const { largest, spread } = JITTERS[name]
    fc.assert(
      fc.property(base, random, (baseMs, drawn) => {
        const delay = spread(baseMs, drawn)
        expect(delay).toBeGreaterThanOrEqual(0)
        expect(delay).toBeLessThanOrEqual(baseMs * largest)
      }),
    )
  })

  test.each([
    ['none', 1000, 1000, 1000],
    ['full', 0, 500, 1000],
    ['equal', 500, 750, 1000],
  ] as const)('%s of 1000 ms lies in its range with its mean', (name, least, mean, most) => {
    const delays = Array.from({ length: 20_000 }, (_, i) =>
      JITTERS[name].spread(1000, drawFor('seed', name, i)),
    )
    const sum = delays.reduce((total, delay) => total + delay, 0)
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(least)
    expect(Math.max(...delays)).toBeLessThanOrEqual(most)
    expect(Math.abs(sum / delays.length - mean)).toBeLessThan(10)
    // It uses its whole range.
    expect(Math.min(...delays)).toBeLessThan(least + 2)
    expect(Math.max(...delays)).toBeGreaterThan(most - 2)
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
