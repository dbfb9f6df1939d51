import fc from 'fast-check'
import { expect, test } from 'vitest'
import { describeWithRedis } from '../setup/namespace.ts'
import { useRedis } from './driver.ts'
import { LimitsDriver } from './shared-limits-driver.ts'

const redis = useRedis()

const settings = fc.record({
  key: fc.constantFrom('service', 'a:b'),
  ratio: fc.double({ min: 0, max: 0.5, noNaN: true }),
  minPerSecond: fc.double({ min: 0.001, max: 0.5, noNaN: true }),
  burst: fc.double({ min: 1, max: 4, noNaN: true }),
})

const step = fc.oneof(
  fc.record({ kind: fc.constant('first' as const), name: fc.nat(60) }),
  fc.record({ kind: fc.constant('retry' as const), name: fc.nat(60) }),
  fc.record({ kind: fc.constant('time' as const), ms: fc.nat(4_000) }),
)

describeWithRedis('a budget', () => {
  test('never gives more than its bucket and what was earned, whoever asks when and how often', async () => {
    const seen = { permits: 0, waits: 0 }
    await fc.assert(
      fc.asyncProperty(
        settings,
        fc.array(step, { minLength: 20, maxLength: 60 }),
        async (budget, steps) => {
          const driver = new LimitsDriver(redis(), 36_000_000)
          const began = performance.now()
          const firsts = new Set<number>()
          const permits = new Set<number>()
          let passedMs = 0
          for (const made of steps) {
            if (made.kind === 'time') {
              await driver.passTime(made.ms)
              passedMs += made.ms
            } else if (made.kind === 'first') {
              expect(await driver.budget(budget, `r${made.name}`, 1)).toBe('go')
              firsts.add(made.name)
            } else {
              const answer = await driver.budget(budget, `r${made.name}`)
              if (answer === 'go') permits.add(made.name)
              else expect(answer).toBeGreaterThan(0)
              seen[answer === 'go' ? 'permits' : 'waits'] += 1
            }
            const seconds = (passedMs + performance.now() - began + 1) / 1_000
            const earned = budget.ratio * firsts.size + budget.minPerSecond * seconds
            expect(permits.size).toBeLessThanOrEqual(budget.burst + earned + 1e-3)
          }
        },
      ),
      { numRuns: 60 },
    )
    expect(seen.permits).toBeGreaterThan(50)
    expect(seen.waits).toBeGreaterThan(50)
  })
})
