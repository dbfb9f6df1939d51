import { writeSync } from 'node:fs'
import { pino } from 'pino'
import { z } from 'zod'
import { Worker } from '../../../src/index.ts'
import { callTask } from './call-flow.ts'

// A worker process that serves `call`. It says `ready` when it takes jobs.

const orders = z
  .strictObject({
    redisUrl: z.string(),
    namespace: z.string(),
    serviceUrl: z.string(),
    concurrency: z.number(),
  })
  .parse(JSON.parse(process.argv[2] ?? '{}'))

const worker = new Worker({
  redis: orders.redisUrl,
  namespace: orders.namespace,
  tasks: [callTask(orders.serviceUrl)],
  queues: { default: { concurrency: orders.concurrency } },
  leaseDuration: '2s',
  stalledInterval: '500ms',
  logger: pino({ level: 'error' }),
})
await worker.ready()
writeSync(1, 'ready\n')
