import { setTimeout as sleep } from 'node:timers/promises'
import { Worker as BullWorker, FlowProducer, Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { flow, Producer, task, Worker } from 'reprise'
import { z } from 'zod'
import { provisionRedis } from '../src/cli/redis/provision-redis.ts'
import { percentile } from './measure.ts'

// Hop: from the end of one handler to the start of the next, on an idle system. Start: from the call that enqueues to
// the start of the handler. One after the other, interleaved, all on one Redis.
const CONCURRENCY = 50
const SAMPLES = Number(process.argv[2] ?? 300)

type Probe = () => Promise<number>

const redis = await provisionRedis({ temporary: true })
const connect = () => new Redis(redis.url, { maxRetriesPerRequest: null })
const closers: (() => Promise<unknown>)[] = []

/** Hands a time from whoever measures it to whoever waits for it. */
function mailbox(): { deliver(value: number): void; next(): Promise<number> } {
  let resolve: (value: number) => void = () => {}
  return {
    deliver: (value) => resolve(value),
    next: () =>
      new Promise((onValue) => {
        resolve = onValue
      }),
  }
}

async function reprise(): Promise<{ hop: Probe; start: Probe }> {
  const hops = mailbox()
  const starts = mailbox()
  let ended = 0
  const first = task({ name: 'first', input: z.object({}) }, () => {
    starts.deliver(performance.now())
    ended = performance.now()
    return {}
  })
  const second = task({ name: 'second', input: z.object({}) }, () => {
    hops.deliver(performance.now() - ended)
    return {}
  })
  const pair = flow({ name: 'pair', input: z.object({}) }, () => second(first({})))
  const producer = new Producer({ redis: redis.url, namespace: 'latency' })
  const logger = pino({ level: 'silent' })
  const queues = { default: { concurrency: CONCURRENCY } }
  const worker = new Worker({
    redis: redis.url,
    namespace: 'latency',
    flows: [pair],
    queues,
    logger,
  })
  await worker.ready()
  closers.push(
    () => producer.close(),
    () => worker.close(),
  )
  return {
    hop: async () => {
      const hop = hops.next()
      await producer.enqueue(pair, {})
      return hop
    },
    start: async () => {
      const start = starts.next()
      const calledAt = performance.now()
      await producer.enqueue(pair, {})
      return (await start) - calledAt
    },
  }
}

async function bullmq(): Promise<{ hop: Probe; flowHop: Probe; start: Probe }> {
  const hops = mailbox()
  const flowHops = mailbox()
  const starts = mailbox()
  const queue = new Queue('latency', { connection: connect() })
  const flows = new FlowProducer({ connection: connect() })
  let ended = 0
  const worker = new BullWorker(
    'latency',
    async ({ name }) => {
      if (name === 'start') starts.deliver(performance.now())
      if (name === 'first') {
        ended = performance.now()
        await queue.add('second', {}, { removeOnComplete: true })
      }
      if (name === 'second') hops.deliver(performance.now() - ended)
      if (name === 'child') ended = performance.now()
      if (name === 'parent') flowHops.deliver(performance.now() - ended)
    },
    { connection: connect(), concurrency: CONCURRENCY },
  )
  await worker.waitUntilReady()
  closers.push(
    () => worker.close(),
    () => flows.close(),
    () => queue.close(),
  )
  const opts = { removeOnComplete: true }
  return {
    hop: async () => {
      const hop = hops.next()
      await queue.add('first', {}, opts)
      return hop
    },
    flowHop: async () => {
      const hop = flowHops.next()
      const child = { name: 'child', queueName: 'latency', data: {}, opts }
      await flows.add({ name: 'parent', queueName: 'latency', data: {}, opts, children: [child] })
      return hop
    },
    start: async () => {
      const start = starts.next()
      const calledAt = performance.now()
      await queue.add('start', {}, opts)
      return (await start) - calledAt
    },
  }
}

const ours = await reprise()
const theirs = await bullmq()
const probes: Record<string, Probe> = {
  'hop: reprise': ours.hop,
  'hop: hand-written': theirs.hop,
  'hop: FlowProducer': theirs.flowHop,
  'start: reprise': ours.start,
  'start: raw job': theirs.start,
}
const samples = new Map<string, number[]>(Object.keys(probes).map((name) => [name, []]))
for (let i = 0; i < SAMPLES; i++) {
  for (const [name, probe] of Object.entries(probes)) {
    samples.get(name)?.push(await probe())
    await sleep(3)
  }
}
console.log(`${redis.description}; ${SAMPLES} samples each, ms`)
console.table(
  [...samples].map(([probe, values]) => ({
    probe,
    p50: percentile(values, 0.5).toFixed(2),
    p99: percentile(values, 0.99).toFixed(2),
  })),
)
for (const close of closers) await close()
await redis.stop()
process.exit()
