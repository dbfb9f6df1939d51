import { expect, test } from 'vitest'
import { describeWithRedis, redisUrl, testNamespace } from '../../setup/namespace.ts'
import { type OutageReport, outage } from './outage.ts'

const plain = { kind: 'constant', delay: 200, jitter: 'full', maxRetries: null } as const
const TASKS = 200
const DOWN_SECONDS = 5

function suffer(retry: Parameters<typeof outage>[0]['retry']): Promise<OutageReport> {
  return outage({
    redisUrl: redisUrl(),
    namespace: testNamespace(),
    tasks: TASKS,
    downMs: DOWN_SECONDS * 1_000,
    processes: 2,
    concurrency: 20,
    retry,
  })
}

describeWithRedis(
  'an outage under which all tasks fail at once',
  () => {
    test('costs no more calls than its budget, or its breaker, allows', {
      timeout: 150_000,
    }, async () => {
      const budget = { key: 'service', ratio: 0, minPerSecond: 40, burst: 40 }
      const breaker = {
        key: 'service',
        failures: 5,
        openFor: '1s',
        probes: 2,
        releasePerSecond: 60,
      } as const
      const without = await suffer(plain)
      const budgeted = await suffer({ ...plain, budget })
      const broken = await suffer({ ...plain, breaker })
      for (const [name, report] of Object.entries({ without, budgeted, broken })) {
        console.log(`${name}: calls in each second ${report.perSecond.join(' ')}`)
        expect(report.unfinished).toBe(0)
      }
      let retries = 0
      for (const [second, count] of budgeted.retriesPerSecond.entries()) {
        retries += count
        expect(retries).toBeLessThanOrEqual(budget.burst + budget.minPerSecond * (second + 2))
      }
      // What ran when it opened, and the probes.
      expect(broken.callsWhileDown).toBeLessThanOrEqual(60 + 2 * (broken.perSecond.length + 1))
      expect(broken.peakWhenUp).toBeLessThanOrEqual(60 * 2 + 2)
    })
  },
  { needs: 'real' },
)
