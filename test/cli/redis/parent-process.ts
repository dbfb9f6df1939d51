// A parent that starts a Redis and then ends in the way that its argument names, without stopping it.
import { provisionRedis } from '../../../src/cli/redis/provision-redis.ts'
import { readServerReport } from '../../../src/coordinator/server-report.ts'

const redis = await provisionRedis({ temporary: true })
const { processId, directory } = await readServerReport(redis.url)
process.send?.({ processId, directory })
switch (process.argv[2]) {
  case 'exit':
    process.exit(0)
    break
  case 'throw':
    setTimeout(() => {
      throw new Error('nobody catches this')
    })
    break
  case 'wait':
    setInterval(() => {}, 1_000)
    break
}
