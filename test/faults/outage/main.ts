import { provisionRedis } from '../../../src/cli/redis/provision-redis.ts'
import type { RetryOption } from '../../../src/index.ts'
import { outage } from './outage.ts'

// `npm run bench:outage [tasks] [seconds of the outage]`: many tasks fail at once against a service that is down, with
// and without a budget and a breaker. It prints how many calls a second the service saw.
const tasks = Number(process.argv[2] ?? 10_000)
const downMs = Number(process.argv[3] ?? 30) * 1_000

const plain = {
  kind: 'exponential',
  delay: '1s',
  maxDelay: '8s',
  maxRetries: null,
} as const
const budget = { key: 'service', ratio: 0.1, minPerSecond: 200, burst: 200 }
const breaker = {
  key: 'service',
  failures: 20,
  openFor: '2s',
  probes: 3,
  releasePerSecond: 300,
} as const
const variants: Readonly<Record<string, RetryOption>> = {
  'backoff only': plain,
  budget: { ...plain, budget },
  breaker: { ...plain, breaker },
  'budget and breaker': { ...plain, budget, breaker },
}

const redis = await provisionRedis({ temporary: true })
console.log(
  `${redis.description}: ${tasks} tasks fail at once, the service is down for ${downMs / 1_000} s`,
)
const rows: Record<string, object> = {}
try {
  for (const [name, retry] of Object.entries(variants)) {
    const report = await outage({
      redisUrl: redis.url,
      namespace: `outage-${Object.keys(rows).length}`,
      tasks,
      downMs,
      processes: 4,
      concurrency: 50,
      retry,
    })
    const { perSecond, retriesPerSecond, drainedMs, ...figures } = report
    console.log(`${name}: calls in each second\n  ${perSecond.join(' ')}`)
    console.log(`  of them retries\n  ${retriesPerSecond.join(' ')}`)
    rows[name] = { ...figures, drainedAfterSeconds: Math.round(drainedMs / 1_000) }
  }
} finally {
  await redis.stop()
}
console.table(rows)
