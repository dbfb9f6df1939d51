import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { z } from 'zod'
import { Worker } from '../../../src/index.ts'
import { EffectsFile } from '../harness/effects.ts'
import { bookTask } from './book.ts'

// A worker process that writes down when it begins and ends what should not be done twice at once.
const orders = z
  .strictObject({ redisUrl: z.string(), namespace: z.string(), effects: z.string() })
  .parse(JSON.parse(process.argv[2] ?? '{}'))

const effects = new EffectsFile(orders.effects)
const book = bookTask(async ({ n, ms, hangs }, { run, attempt, signal }) => {
  effects.add('start', run.id, String(n), attempt)
  try {
    // The first attempt goes on until somebody ends it from outside.
    await sleep(hangs && attempt === 1 ? 3_600_000 : ms, undefined, { signal })
  } catch (error) {
    effects.add('aborted', run.id, String(n), attempt)
    throw error
  }
  effects.add('done', run.id, String(n), attempt)
})

const worker = new Worker({
  redis: orders.redisUrl,
  namespace: orders.namespace,
  tasks: [book],
  leaseDuration: '2s',
  stalledInterval: '500ms',
  logger: pino({ level: 'silent' }),
})
await worker.ready()
writeSync(1, 'ready\n')
