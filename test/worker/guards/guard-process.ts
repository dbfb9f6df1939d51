import { writeSync } from 'node:fs'
import { pino } from 'pino'
import { z } from 'zod'
import { policy, task, Worker } from '../../../src/index.ts'
import { HOSTILE_POLICIES } from './hostile-policies.ts'

// A worker process whose policies misbehave.
const [redis = '', namespace = '', lease = '15000'] = process.argv.slice(2)

const burn = (): never => {
  writeSync(1, 'burning\n')
  for (;;);
}

const failing = task({ name: 'failing', input: z.object({}) }, () => {
  throw new Error('broken')
})
const burning = task(
  {
    name: 'burning',
    input: z.object({}),
    retry: policy.constant({ delay: 1, maxCrashes: 1, when: burn }),
  },
  () => {
    throw new Error('broken')
  },
)
const next = task({ name: 'next', input: z.object({ n: z.int() }) }, ({ n }) => n)

const worker = new Worker({
  redis,
  namespace,
  tasks: [failing, burning, next],
  policies: HOSTILE_POLICIES.map(({ plugin }) => plugin),
  queues: { default: { concurrency: 1 } },
  leaseDuration: Number(lease),
  stalledInterval: '300ms',
  logger: pino({ level: 'silent' }),
})
await worker.ready()
writeSync(1, 'ready\n')
