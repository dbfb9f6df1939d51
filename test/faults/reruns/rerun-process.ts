import { writeSync } from 'node:fs'
import { pino } from 'pino'
import { z } from 'zod'
import { Reruns } from '../../../src/coordinator/reruns.ts'
import { Worker } from '../../../src/index.ts'
import { RunRetries } from '../../../src/worker/run-retries.ts'
import { EffectsFile } from '../harness/effects.ts'
import { fragileFlow, rerunFlow } from './flows.ts'

// A worker that says `reached` at its stop point, and stands still there until it is killed.

const orders = z
  .strictObject({
    redisUrl: z.string(),
    namespace: z.string(),
    effects: z.string(),
    point: z.enum(['handler', 'ended', 'created', 'copying', 'copied', 'opened']),
  })
  .parse(JSON.parse(process.argv[2] ?? '{}'))

function standStillAt(point: typeof orders.point): void {
  if (orders.point !== point) return
  writeSync(1, 'reached\n')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}

const { create, copy, open } = Reruns.prototype
const { perform } = RunRetries.prototype
let copies = 0

RunRetries.prototype.perform = async function (...args) {
  standStillAt('ended')
  await perform.apply(this, args)
}

Reruns.prototype.create = async function (...args) {
  const answer = await create.apply(this, args)
  standStillAt('created')
  return answer
}

Reruns.prototype.copy = async function (...args) {
  const answer = await copy.apply(this, args)
  copies += 1
  if (copies === 2) standStillAt('copying')
  return answer
}

Reruns.prototype.open = async function (...args) {
  standStillAt('copied')
  const answer = await open.apply(this, args)
  standStillAt('opened')
  return answer
}

const effects = new EffectsFile(orders.effects)
const worker = new Worker({
  redis: orders.redisUrl,
  namespace: orders.namespace,
  flows: [rerunFlow(effects), fragileFlow(effects, () => standStillAt('handler'))],
  leaseDuration: '1s',
  stalledInterval: '300ms',
  logger: pino({ level: 'silent' }),
})
await worker.ready()
writeSync(1, 'ready\n')
