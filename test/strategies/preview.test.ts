import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { DefinitionError } from '../../src/core/errors.ts'
import { decideRetry } from '../../src/strategies/decide.ts'
import { definePolicy } from '../../src/strategies/define-policy.ts'
import { drawFor } from '../../src/strategies/draw.ts'
import { policy } from '../../src/strategies/policy.ts'
import { failedAttempt, HttpError } from './failed-attempt.ts'

describe('policy.preview', () => {
  test('is exact for a run and a node', async () => {
    for (const made of [
      policy.exponential({ maxRetries: 6, jitter: 'equal' }),
      policy.decorrelated({ delay: '1s', maxRetries: 6 }),
      policy.chain(policy.linear({ delay: 5 }), policy.fibonacci({ delay: 9, jitter: 'full' })),
    ]) {
      const delays: number[] = []
      for (let retriesUsed = 0; retriesUsed < 6; retriesUsed++) {
        const random = () => drawFor('0-a', 'ping', retriesUsed + 1)
        const input = failedAttempt(made, { retriesUsed, random }, { delays })
        const decision = await decideRetry(input)
        if (decision.action === 'retry') delays.push(decision.delayMs)
      }
      const shown = made.preview(10, { run: '0-a', node: 'ping' })
      expect(shown.map(({ medianMs }) => medianMs)).toEqual(delays)
      expect(shown.every(({ minMs, maxMs }) => minMs === maxMs)).toBe(true)
      expect(shown.at(-1)?.totalMs).toBe(delays.reduce((total, ms) => total + ms, 0))
    }
  })

  test('shows the spread over many runs', () => {
    const [first, second] = policy.exponential({ maxRetries: 2 }).preview(5)
    expect(first).toMatchObject({ retryNumber: 1, baseMs: 1000 })
    expect(second).toMatchObject({ retryNumber: 2, baseMs: 2000 })
    expect(first?.minMs).toBeLessThan(20)
    expect(first?.maxMs).toBeGreaterThan(980)
    expect(Math.abs((first?.medianMs ?? 0) - 500)).toBeLessThan(60)
  })

  test.each<[string, number, () => { preview(n: number): unknown[] }]>([
    ['what the limit allows', 3, () => policy.constant({ delay: 1 })],
    ['nothing without retries', 0, () => policy.none()],
    ['what it is asked for', 7, () => policy.constant({ delay: 1, maxRetries: Infinity })],
  ])('shows %s', (_name, count, made) => expect(made().preview(7)).toHaveLength(count))

  test('follows the rule that the error chooses', () => {
    const made = policy.rules([
      { on: [429], use: policy.constant({ delay: 60, maxRetries: 2 }) },
      { use: policy.none() },
    ])
    expect(made.preview(5)).toEqual([])
    expect(made.preview(5, { error: new HttpError(429) })).toHaveLength(2)
  })

  test.each<[string, () => unknown, string]>([
    ['no number', () => policy.none().preview(0), 'expected a whole number from 1 to 10000, got 0'],
    ['a run alone', () => policy.none().preview(1, { run: 'a' }), 'run and node together'],
    ['no samples', () => policy.none().preview(1, { samples: 0 }), 'expected number to be >=1'],
    [
      'a plug-in',
      () =>
        definePolicy({ name: 'mine', options: z.object({}), decide: () => null })({}).preview(1),
      'mine is a plug-in: what it decides is known only when it is asked',
    ],
  ])('refuses %s', (_name, attempt, message) => {
    expect(attempt).toThrow(DefinitionError)
    expect(attempt).toThrow(message)
  })
})
