import { expect, test } from 'vitest'
import { describeWithRedis, redisUrl, testNamespace } from '../../setup/namespace.ts'
import { storm } from './storm.ts'

describeWithRedis(
  'a storm of kills and stops',
  () => {
    test('loses nothing and repeats no settled success', { timeout: 180_000 }, async () => {
      const report = await storm({
        url: redisUrl(),
        namespace: testNamespace(),
        kills: 10,
        stops: 3,
        liveRuns: 20,
      })
      expect(report.violations).toEqual({
        unfinished: 0,
        settledTwice: 0,
        startedAfterSuccess: 0,
        startedTwice: 0,
        gaps: 0,
        unknownEffects: 0,
      })
      expect(report.crashes).toBeGreaterThan(0)
      expect(report.retries).toBeGreaterThan(0)
    })
  },
  { needs: 'real' },
)
