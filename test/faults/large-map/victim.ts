import { writeSync } from 'node:fs'
import { pino } from 'pino'
import { z } from 'zod'
import { Coordinator } from '../../../src/coordinator/coordinator.ts'
import { Worker } from '../../../src/index.ts'
import { EffectsFile } from '../harness/effects.ts'
import { largeFlow } from './large-flow.ts'

// A worker that stands still at the third chunk of a map until it is killed: before the chunk is made, or when it has
// been made and none of its tickets is added.

const orders = z
  .object({
    redisUrl: z.string(),
    namespace: z.string(),
    effects: z.string(),
    chunk: z.enum(['unmade', 'made']),
  })
  .parse(JSON.parse(process.env.ORDERS ?? '{}'))

const { expand } = Coordinator.prototype
let chunks = 0

function standStill(): void {
  writeSync(1, 'reached\n')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}

Coordinator.prototype.expand = async function (...args) {
  chunks += 1
  if (chunks === 3 && orders.chunk === 'unmade') standStill()
  const answer = await expand.apply(this, args)
  if (chunks === 3) standStill()
  return answer
}

const worker = new Worker({
  redis: orders.redisUrl,
  namespace: orders.namespace,
  flows: [largeFlow(new EffectsFile(orders.effects))],
  leaseDuration: '1s',
  stalledInterval: '300ms',
  logger: pino({ level: 'silent' }),
})
await worker.ready()
writeSync(1, 'ready\n')
