import { existsSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Job } from 'bullmq'
import { pino } from 'pino'
import type { Grant } from '../../../src/coordinator/answers.ts'
import { Coordinator } from '../../../src/coordinator/coordinator.ts'
import type { Delivery } from '../../../src/coordinator/moves.ts'
import { type TaskContext, Worker } from '../../../src/index.ts'
import { TaskDurations } from '../../../src/worker/task-durations.ts'
import { EffectsFile } from '../harness/effects.ts'
import { type Granted, LEASE_MS, ordersSchema, SUBJECTS } from './cells.ts'
import { tableFlows } from './flows.ts'

// The worker that is struck. In the run to be struck it says `reached` at its stop point and stands still.

const orders = ordersSchema.parse(JSON.parse(process.argv[2] ?? '{}'))
const { subject, fault } = orders
const subjects: readonly string[] = SUBJECTS[subject].nodes
const stopsInHandlers = fault === 'handler' || fault === 'stop'
const effects = new EffectsFile(orders.effects)
const flows = tableFlows(effects, hold)
const nodes = flows[subject].graph.nodes
const held = new Set<string>()
const finishing = new Set<string>()
let struckRun: string | null = null

/** Says that the stop point is reached. Then nothing in this process moves until it is killed, or stopped and woken. */
async function standStill(): Promise<void> {
  writeSync(1, 'reached\n')
  if (fault !== 'stop') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  await untilReleased()
}

async function untilReleased(): Promise<void> {
  while (!existsSync(orders.release)) await sleep(10)
}

async function hold({ node, attempt, run, signal }: TaskContext): Promise<void> {
  if (node === 'a') struckRun = run.id
  if (!subjects.includes(node) || attempt !== 1) return
  if (stopsInHandlers) {
    held.add(node)
    signal.addEventListener('abort', () => effects.add('aborted', run.id, node, attempt))
    await (held.size === subjects.length ? standStill() : untilReleased())
  } else if (fault === 'settled' && node !== subjects[0]) {
    await untilReleased()
  }
}

function sayGranted(
  by: Granted['by'],
  { runId, ticket }: Delivery,
  grants: readonly Grant[],
): void {
  const keys = grants.map(({ index }) => nodes[index]?.key ?? String(index))
  // Warm-up runs are over when a company was granted.
  if (runId !== struckRun && keys.length < 3) return
  if (keys.length > 0) writeSync(1, `${JSON.stringify({ by, ticket, nodes: keys })}\n`)
}

const { claim, settle } = Coordinator.prototype

Coordinator.prototype.claim = async function (...args) {
  const [delivery] = args
  const isSubject = delivery.runId === struckRun && SUBJECTS[subject].grantedBy === 'claim'
  if (fault === 'claim' && isSubject && delivery.ticket !== 0) await standStill()
  const answer = await claim.apply(this, args)
  if (answer.status === 'granted') sayGranted('claim', delivery, answer.grants)
  return answer
}

Coordinator.prototype.settle = async function (...args) {
  const [delivery, , index, attempt] = args
  if (delivery.runId !== struckRun) return await settle.apply(this, args)
  const node = nodes[index]?.key ?? String(index)
  if (fault === 'claim' && subject === 'continuation' && node === 'b') await standStill()
  const answer = await settle.apply(this, args)
  const detail = answer.status === 'refused' ? answer.reason : ''
  effects.add(answer.status, delivery.runId, node, attempt, detail)
  if (answer.status === 'settled') sayGranted('settle', delivery, answer.grants)
  if (fault === 'settled' && node === subjects[0]) await standStill()
  if (subjects.includes(node)) finishing.add(`${delivery.job}:lock`)
  return answer
}

const { record } = TaskDurations.prototype

// A busy machine makes short tasks long: the worker learns what an idle one would show.
TaskDurations.prototype.record = function (name, durationMs) {
  record.call(this, name, name === 'short' ? Math.min(durationMs, 1) : durationMs)
}

const { moveToCompleted } = Job.prototype

Job.prototype.moveToCompleted = async function (...args) {
  const { id, queueName } = this
  const isSubject = [...finishing].some((lock) => lock.endsWith(`:${queueName}:${id}:lock`))
  if (fault === 'finish' && isSubject) await standStill()
  return await moveToCompleted.apply(this, args)
}

const worker = new Worker({
  redis: orders.redisUrl,
  namespace: orders.namespace,
  flows: Object.values(flows),
  queues: { default: { concurrency: 10 }, side: { concurrency: 10 } },
  leaseDuration: LEASE_MS,
  stalledInterval: '300ms',
  logger: pino({ level: 'silent' }),
})
await worker.ready()
writeSync(1, 'ready\n')
