import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { vi } from 'vitest'
import { foreignRunId } from '../../src/core/ids.ts'
import {
  Producer,
  type RunHandle,
  type RunSnapshot,
  Worker,
  type WorkerOptions,
} from '../../src/index.ts'
import { redisUrl, testNamespace } from '../setup/namespace.ts'

/** How long a test waits for something that should come: generous, because the machine may be busy. */
export const PATIENCE_MS = 30_000

/** How long a test may take that waits for several such things, one after the other. */
export const TEST_TIMEOUT_MS = 90_000

/** Looks for lost jobs often, with a lease that no busy machine loses. */
export const QUICK_RECOVERY = { leaseDuration: '15s', stalledInterval: '300ms' } as const

/** Vitest's `onTestFinished`, as the context of a test has it. */
export type OnTestFinished = (clean: () => Promise<void>) => void

/** A namespace of its own, with everything that a test opens in it. */
export interface Scene {
  readonly namespace: string
  /** Of BullMQ's keys. */
  readonly prefix: string
  readonly redis: Redis
  readonly producer: Producer
  /** Starts a worker in this process. */
  startWorker(options?: Partial<WorkerOptions>): Promise<Worker>
  /** A stock BullMQ queue, as another service or a dashboard opens it. */
  queue(name?: string): Queue
  /** The handle of the run that a stock BullMQ job became. */
  foreignRun(job: { id?: string | undefined; timestamp: number }, queue?: string): RunHandle
}

/** Opens a scene that closes itself, and its workers, at the end of the test. */
export function openScene(onTestFinished: OnTestFinished): Scene {
  const namespace = testNamespace()
  const prefix = `{${namespace}:0}`
  const url = redisUrl()
  const redis = new Redis(url, { maxRetriesPerRequest: null })
  const producer = new Producer({ redis: url, namespace })
  const workers: Worker[] = []
  const queues = new Map<string, Queue>()
  onTestFinished(async () => {
    await Promise.all(workers.map((worker) => worker.close()))
    await Promise.all([...queues.values()].map((queue) => queue.close()))
    await producer.close()
    redis.disconnect()
  })
  return {
    namespace,
    prefix,
    redis,
    producer,
    startWorker: async (options = {}) => {
      const worker = new Worker({
        redis: url,
        namespace,
        logger: pino({ level: 'silent' }),
        shutdownTimeout: 0,
        closeOn: [],
        ...options,
      })
      workers.push(worker)
      await worker.ready()
      return worker
    },
    queue: (name = 'default') => {
      const queue = queues.get(name) ?? new Queue(name, { prefix, connection: redis })
      queues.set(name, queue)
      return queue
    },
    foreignRun: ({ id = '', timestamp }, queue = 'default') =>
      producer.run(foreignRunId(0, queue, id, timestamp), queue),
  }
}

/** Waits until `check` stops throwing, and returns what it returns. */
export function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: PATIENCE_MS, interval: 20 })
}

/** The run, as it is when it has ended. */
export async function runEnd(run: RunHandle): Promise<RunSnapshot> {
  return await eventually(async () => {
    const snapshot = await run.read()
    if (snapshot === null || !['succeeded', 'failed'].includes(snapshot.state)) {
      throw new Error(`the run has not ended: ${describeRun(snapshot)}`)
    }
    return snapshot
  })
}

/** The run with a node in a certain state. */
export async function runWith(run: RunHandle, node: string, state: string): Promise<RunSnapshot> {
  return await eventually(async () => {
    const snapshot = await run.read()
    if (snapshot === null || nodeOf(snapshot, node).state !== state) {
      throw new Error(`${node} is not ${state}: ${describeRun(snapshot)}`)
    }
    return snapshot
  })
}

/** A node of a run that has it. */
export function nodeOf(run: RunSnapshot, key: string): RunSnapshot['nodes'][number] {
  const node = run.nodes.find((other) => other.key === key)
  if (!node) throw new Error(`the run has no node ${key}`)
  return node
}

/** What the history of a node says, entry by entry. */
export function kindsOf(run: RunSnapshot, key: string): string[] {
  return nodeOf(run, key).log.map(({ kind }) => kind)
}

/** Why a node was not retried. */
export function stopReasonOf(run: RunSnapshot, key: string): string | null {
  const decision = nodeOf(run, key).log.at(-1)?.decision
  return decision?.action === 'stop' ? decision.reason : null
}

/** A promise, and what settles it. */
export interface Gate {
  readonly opened: Promise<void>
  open(): void
}

/** Makes handlers wait until the test lets them go. */
export function newGate(): Gate {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open: () => open() }
}

function describeRun(run: RunSnapshot | null): string {
  if (run === null) return 'it is unknown'
  const nodes = run.nodes.map(({ key, state, log }) => {
    const kinds = log.map(({ kind }) => kind).join(' ')
    return `${key} ${state}${kinds === '' ? '' : ` (${kinds})`}`
  })
  return `${run.state}: ${nodes.join(', ')}`
}
