import { setTimeout as sleep } from 'node:timers/promises'
import { Producer, type RetryOption, type RunHandle } from '../../../src/index.ts'
import { callTask } from './call-flow.ts'
import { Fleet } from './fleet.ts'
import { type ServedCall, Service } from './service.ts'

/** How bad an outage is, and what stands against it. */
export interface OutageOrders {
  readonly redisUrl: string
  readonly namespace: string
  /** So many tasks are enqueued at once, while the service is down. */
  readonly tasks: number
  /** How long the service stays down after that, ms. */
  readonly downMs: number
  readonly processes: number
  /** Handlers that each process runs at once. */
  readonly concurrency: number
  readonly retry: RetryOption
}

/** What the service saw. */
export interface OutageReport {
  /** Calls in each second, from the first one on. */
  readonly perSecond: readonly number[]
  /** Those of them that were retries. */
  readonly retriesPerSecond: readonly number[]
  /** Calls that could only fail. */
  readonly callsWhileDown: number
  readonly retriesWhileDown: number
  /** The second with the most calls, before and after the service came up. */
  readonly peakWhileDown: number
  readonly peakWhenUp: number
  /** From the service's recovery to the last success, ms. */
  readonly drainedMs: number
  /** Runs that did not succeed. */
  readonly unfinished: number
}

/** Lets many tasks fail at once against a real HTTP service that is down for a while. */
export async function outage(orders: OutageOrders): Promise<OutageReport> {
  const { redisUrl, namespace, tasks, processes, concurrency, retry } = orders
  const service = await Service.start()
  const fleet = new Fleet({ redisUrl, namespace, serviceUrl: service.url, concurrency })
  const producer = new Producer({ redis: redisUrl, namespace })
  try {
    await fleet.start(processes)
    const call = callTask(service.url)
    const runs = await Promise.all(
      Array.from({ length: tasks }, () => producer.enqueue(call, {}, { retry })),
    )
    await sleep(orders.downMs)
    await service.be('up')
    const upAt = Date.now()
    const unfinished = await countUnfinished(runs)
    return { ...summarize(await service.calls(), upAt), unfinished }
  } finally {
    await fleet.stop()
    await service.stop()
    await producer.close()
  }
}

/** Waits for each run in turn: so many thousands at once would be a load of their own. */
async function countUnfinished(runs: readonly RunHandle<string>[]): Promise<number> {
  let unfinished = 0
  for (const run of runs) {
    const result = await run.result({ timeout: '5m' }).catch(() => null)
    if (result !== 'called') unfinished += 1
  }
  return unfinished
}

function summarize(calls: readonly ServedCall[], upAt: number): Omit<OutageReport, 'unfinished'> {
  const begin = calls[0]?.at ?? 0
  const down = calls.filter(({ mode }) => mode === 'down')
  const up = calls.filter(({ mode }) => mode === 'up')
  return {
    perSecond: perSecond(calls, begin),
    retriesPerSecond: perSecond(calls.filter(isRetry), begin),
    callsWhileDown: down.length,
    retriesWhileDown: down.filter(isRetry).length,
    peakWhileDown: Math.max(0, ...perSecond(down, begin)),
    peakWhenUp: Math.max(0, ...perSecond(up, begin)),
    drainedMs: (up.at(-1)?.at ?? upAt) - upAt,
  }
}

function isRetry({ attempt }: ServedCall): boolean {
  return attempt > 1
}

function perSecond(calls: readonly ServedCall[], begin: number): number[] {
  const counts: number[] = []
  for (const { at } of calls) {
    const second = Math.floor((at - begin) / 1_000)
    while (counts.length <= second) counts.push(0)
    counts[second] = (counts[second] ?? 0) + 1
  }
  return counts
}
