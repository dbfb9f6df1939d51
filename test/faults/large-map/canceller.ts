import { writeSync } from 'node:fs'
import { z } from 'zod'
import { MoveBatch } from '../../../src/coordinator/batch.ts'
import { connectRedis } from '../../../src/coordinator/connection.ts'
import { Coordinator } from '../../../src/coordinator/coordinator.ts'
import { ShardKeys } from '../../../src/coordinator/keys.ts'

// Cancels a run, and stands still before the third chunk of its children until it is killed.

const { redisUrl, namespace, runId } = z
  .object({ redisUrl: z.string(), namespace: z.string(), runId: z.string() })
  .parse(JSON.parse(process.env.ORDERS ?? '{}'))

const { run } = MoveBatch.prototype
let chunks = 0

MoveBatch.prototype.run = function (name, ...rest) {
  if (name === 'cancelChildren') chunks += 1
  if (chunks === 3) {
    writeSync(1, 'reached\n')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  }
  return run.call(this, name, ...rest)
}

const redis = connectRedis(redisUrl, 'patient')
const retention = { succeededMs: 3_600_000, failedMs: 3_600_000 }
await new Coordinator(redis, new ShardKeys(namespace, 0), { retention, maxCrashes: 3 }).cancel(
  runId,
)
