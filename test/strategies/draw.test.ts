import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { drawFor } from '../../src/strategies/draw.ts'

describe('drawFor', () => {
  test('is a number in [0, 1), the same for the same arguments', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.nat(), (rootRunId, node, n) => {
        const drawn = drawFor(rootRunId, node, n)
        expect(drawn).toBeGreaterThanOrEqual(0)
        expect(drawn).toBeLessThan(1)
        expect(drawFor(rootRunId, node, n)).toBe(drawn)
      }),
    )
  })

  test.each([
    ['the run', ['0-b', 'ping', 1]],
    ['the node', ['0-a', 'pong', 1]],
    ['the retry', ['0-a', 'ping', 2]],
  ] as const)('depends on %s', (_name, [rootRunId, node, n]) => {
    expect(drawFor(rootRunId, node, n)).not.toBe(drawFor('0-a', 'ping', 1))
  })

  test('does not change between versions, so that a previewed schedule holds', () => {
    expect(drawFor('0-01JABCDEFGHJKMNPQRSTVWXYZ0', 'ping', 1)).toBe(0.5124073388323447)
  })

  test('keeps texts apart that would be equal when joined', () => {
    expect(drawFor('a', 'b","c', 1)).not.toBe(drawFor('a","b', 'c', 1))
  })

  test('is spread evenly', () => {
    const buckets = new Array<number>(10).fill(0)
    for (let n = 0; n < 20_000; n++) {
      const bucket = Math.floor(drawFor('0-a', 'ping', n) * 10)
      buckets[bucket] = (buckets[bucket] ?? 0) + 1
    }
    expect(Math.min(...buckets)).toBeGreaterThan(1_850)
    expect(Math.max(...buckets)).toBeLessThan(2_150)
  })
})
