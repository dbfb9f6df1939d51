import { type Processor, Queue, Worker, type WorkerOptions } from 'bullmq'
import { Redis } from 'ioredis'
import { vi } from 'vitest'
import { redisUrl, testNamespace } from '../setup/namespace.ts'

/** A queue of its own, with nothing of ours in it. */
export interface PlainQueue {
  readonly prefix: string
  readonly redis: Redis
  readonly queue: Queue
  /** Starts a stock worker. */
  work(processor: Processor, options?: Partial<WorkerOptions>): Promise<Worker>
}

/** Opens a queue that closes itself, and its workers, at the end of the test. */
export function openPlainQueue(onTestFinished: (clean: () => Promise<void>) => void): PlainQueue {
  const prefix = `{${testNamespace()}:0}`
  const redis = new Redis(redisUrl(), { maxRetriesPerRequest: null })
  const queue = new Queue('plain', { prefix, connection: redis })
  const workers: Worker[] = []
  onTestFinished(async () => {
    await Promise.all(workers.map((worker) => worker.close(true)))
    await queue.close()
    redis.disconnect()
  })
  return {
    prefix,
    redis,
    queue,
    work: async (processor, options = {}) => {
      const worker = new Worker('plain', processor, {
        prefix,
        connection: redis,
        drainDelay: 1,
        ...options,
      })
      worker.on('error', () => {
        // Provoked by the tests; unheard it would end the process.
      })
      workers.push(worker)
      await worker.waitUntilReady()
      return worker
    },
  }
}

/** Waits until `check` stops throwing. */
export function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: 30_000, interval: 20 })
}
