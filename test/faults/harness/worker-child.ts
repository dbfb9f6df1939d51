import { existsSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Job } from 'bullmq'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { Coordinator } from '../../../src/coordinator/coordinator.ts'
import type { Delivery } from '../../../src/coordinator/moves.ts'
import { Worker } from '../../../src/index.ts'
import { Queues } from '../../../src/producer/queues.ts'
import { EffectsFile } from './effects.ts'
import { fixtureFlows } from './fixture-flows.ts'
import { ordersSchema, type StopPoint } from './orders.ts'

// A worker process of the fault tests. Armed with a stop point, it says `reached` there and stands still.

const orders = ordersSchema.parse(JSON.parse(process.env.ORDERS ?? '{}'))
const { stop } = orders
const effects = new EffectsFile(orders.effects)
const flows = fixtureFlows(effects, async (node, attempt, signal) => {
  if (!isArmedFor('handler', node, attempt)) return
  signal.addEventListener('abort', () => {
    const cause: unknown = signal.reason?.abortCause
    effects.add('aborted', '-', node, attempt, String(cause))
  })
  await standStill()
})
const jobs = new Redis(orders.redisUrl)
/** The locks of the jobs whose delivery settled the node that this process is armed for. */
const armedLocks = new Set<string>()

function isArmedFor(point: StopPoint, node: string, attempt: number): boolean {
  return stop?.point === point && stop.node === node && stop.attempt === attempt
}

/** Says that the point is reached. Then nothing in this process moves until it is killed or released. */
async function standStill(): Promise<void> {
  writeSync(1, 'reached\n')
  if (stop?.release === undefined) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    return
  }
  while (!existsSync(stop.release)) await sleep(10)
}

/** The node that a job brings first: a flow job brings `a`. */
async function nodeOfJob({ job }: Delivery): Promise<string> {
  const data = await jobs.hget(job, 'data')
  const { node }: { node?: string } = JSON.parse(data ?? '{}')
  return node ?? 'a'
}

async function beforeClaim(delivery: Delivery): Promise<void> {
  if (stop?.point === 'claim' && (await nodeOfJob(delivery)) === stop.node) await standStill()
}

const { open, claim, settle, awaitChild } = Coordinator.prototype

Coordinator.prototype.open = async function (...args) {
  await beforeClaim(args[0])
  return await open.apply(this, args)
}

Coordinator.prototype.claim = async function (...args) {
  await beforeClaim(args[0])
  return await claim.apply(this, args)
}

Coordinator.prototype.settle = async function (...args) {
  const [delivery, { graph }, index, attempt, outcome] = args
  const node = graph.graph.nodes[index]?.key ?? String(index)
  if (isArmedFor('settle', node, attempt)) await standStill()
  const hasReadChild = outcome.kind !== 'awaiting' && 'child' in outcome
  if (hasReadChild && isArmedFor('read', node, attempt)) await standStill()
  const answer = await settle.apply(this, args)
  const detail = answer.status === 'refused' ? answer.reason : ''
  effects.add(answer.status, delivery.runId, node, attempt, detail)
  if (isArmedFor('settled', node, attempt)) await standStill()
  if (stop?.node === node && stop.attempt === attempt) armedLocks.add(`${delivery.job}:lock`)
  return answer
}

Coordinator.prototype.awaitChild = async function (...args) {
  const answer = await awaitChild.apply(this, args)
  const [, { attempt }] = args
  if (answer.status === 'unopened' && isArmedFor('awaited', 'm', attempt)) await standStill()
  return answer
}

const { add } = Queues.prototype
let dispatched: Promise<void> | null = null

Queues.prototype.add = async function (...args) {
  if (stop?.point !== 'dispatch' || armedLocks.size === 0) return await add.apply(this, args)
  dispatched ??= add.apply(this, args)
  await dispatched
  await standStill()
}

const { moveToCompleted, moveToFailed } = Job.prototype

async function beforeFinish({ id, queueName }: Job): Promise<void> {
  const isArmed = [...armedLocks].some((lock) => lock.endsWith(`:${queueName}:${id}:lock`))
  if (stop?.point === 'finish' && isArmed) await standStill()
}

Job.prototype.moveToCompleted = async function (...args) {
  await beforeFinish(this)
  return await moveToCompleted.apply(this, args)
}

Job.prototype.moveToFailed = async function (...args) {
  await beforeFinish(this)
  return await moveToFailed.apply(this, args)
}

const { concurrency } = orders
const worker = new Worker({
  redis: orders.redisUrl,
  namespace: orders.namespace,
  flows,
  queues: { default: { concurrency }, side: { concurrency }, far: { concurrency } },
  leaseDuration: orders.leaseMs,
  stalledInterval: '300ms',
  shutdownTimeout: orders.shutdownTimeoutMs,
  logger: pino({ level: 'silent' }),
})
await worker.ready()
// Only the worker may keep the process alive.
if (stop?.point !== 'claim') jobs.disconnect()
writeSync(1, 'ready\n')
