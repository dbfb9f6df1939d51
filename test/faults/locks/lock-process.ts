import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { z } from 'zod'
import { Coordinator } from '../../../src/coordinator/coordinator.ts'
import { SharedLimits } from '../../../src/coordinator/shared-limits.ts'
import { Worker } from '../../../src/index.ts'
import { EffectsFile } from '../harness/effects.ts'
import { bookTask } from './book.ts'

// A worker process that writes down when it begins and ends what should not be done twice at once. If it has a stop point,
// it says `reached` there, and stands still until it is killed.
const orders = z
  .strictObject({
    redisUrl: z.string(),
    namespace: z.string(),
    effects: z.string(),
    point: z.enum(['', 'waits', 'taken', 'settled', 'released', 'woken']),
  })
  .parse(JSON.parse(process.argv[2] ?? '{}'))

function standStillAt(point: typeof orders.point): void {
  if (orders.point !== point) return
  writeSync(1, 'reached\n')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}

const { takeLock, releaseLock } = SharedLimits.prototype
const { wake } = Coordinator.prototype

SharedLimits.prototype.takeLock = async function (...args) {
  const answer = await takeLock.apply(this, args)
  standStillAt(answer.status === 'go' ? 'taken' : 'waits')
  return answer
}

SharedLimits.prototype.releaseLock = async function (...args) {
  standStillAt('settled')
  const called = await releaseLock.apply(this, args)
  if (called) standStillAt('released')
  return called
}

Coordinator.prototype.wake = async function (...args) {
  const answer = await wake.apply(this, args)
  if (answer.status === 'ok' && answer.toAdd.length > 0) standStillAt('woken')
  return answer
}

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
