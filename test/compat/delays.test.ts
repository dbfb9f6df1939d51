import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { rawDelay } from '../../src/compat/index.ts'
import { DefinitionError, policy } from '../../src/index.ts'
import { FOREIGN_SETTINGS } from './foreign-settings.ts'

const vectorsSchema = z.array(
  z.strictObject({
    id: z.string(),
    system: z.string(),
    settings: z.string(),
    n: z.int(),
    r: z.number().nullable(),
    seconds: z.number(),
    basis: z.string(),
  }),
)

const vectors = vectorsSchema.parse(
  JSON.parse(readFileSync(new URL('../vectors/delays.json', import.meta.url), 'utf8')),
)

/** The vectors give nine digits of what a jitter makes. */
const TOLERANCE = 1e-9

describe('rawDelay', () => {
  test.each(vectors)('$id $system, $settings: retry $n, draw $r: $seconds s', (vector) => {
    const { settings, n, r, seconds } = vector
    const made = FOREIGN_SETTINGS.get(settings)
    if (made === undefined) throw new Error(`no policy for ${settings}`)
    const noDraw = () => expect.unreachable('this policy draws no number')
    const delay = rawDelay(made, n, r ?? noDraw) / 1_000
    const isExact = r === null || !settings.includes('retry_jitter_factor')
    const allowed = isExact ? TOLERANCE : 2 * TOLERANCE
    expect(Math.abs(delay - seconds)).toBeLessThanOrEqual(allowed * Math.max(1, seconds))
  })

  test('covers all delay vectors', () => {
    console.log(`delay vectors: ${vectors.length} of ${vectors.length} reproduced`)
    expect(vectors).toHaveLength(63)
    expect(new Set(vectors.map(({ settings }) => settings)).size).toBe(FOREIGN_SETTINGS.size)
  })

  test('looks at no limit and no cap', () => {
    const capped = policy.linear({ delay: '1h', maxRetries: 1, maxDelay: '1m' })
    expect(rawDelay(capped, 9)).toBe(9 * 3_600_000)
  })

  test('counts through a chain, and through previous delays', () => {
    const first = policy.constant({ delay: 5, maxRetries: 2 })
    const chain = policy.chain(first, policy.linear({ delay: 7 }))
    expect([1, 2, 3, 4].map((n) => rawDelay(chain, n))).toEqual([5, 5, 7, 14])
    // Half of [d, 3·previous]: 100 to 300, then 100 to 600.
    const decorrelated = policy.decorrelated({ delay: 100 })
    expect([1, 2].map((n) => rawDelay(decorrelated, n, 0.5))).toEqual([200, 350])
  })

  test.each([
    ['none', policy.none(), 'got none'],
    ['a plug-in', policy.named('a'), 'got named'],
    ['rules for other errors', policy.rules([{ on: ['A'], use: policy.none() }]), 'got no rule'],
  ])('refuses %s', (_name, made, message) => {
    expect(() => rawDelay(made, 1)).toThrow(DefinitionError)
    expect(() => rawDelay(made, 1)).toThrow(message)
  })
})
