import { parseArgs } from 'node:util'
import { provisionRedis } from '../../../src/cli/redis/provision-redis.ts'
import { storm } from './storm.ts'

// `npm run storm`: the long form; the quick one is storm.test.ts.
const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    stops: { type: 'string', default: '30' },
    runs: { type: 'string', default: '60' },
  },
})
const redis = await provisionRedis({ temporary: true })
try {
  const report = await storm({
    url: redis.url,
    namespace: 'storm',
    kills: Number(values.kills),
    stops: Number(values.stops),
    liveRuns: Number(values.runs),
  })
  console.log(JSON.stringify(report, null, 2))
  if (Object.values(report.violations).some((count) => count > 0)) process.exitCode = 1
} finally {
  await redis.stop()
}
