import { pino } from 'pino'
import type { ClaimAnswer } from '../../src/coordinator/answers.ts'
import type { Delivery } from '../../src/coordinator/moves.ts'
import { Reruns } from '../../src/coordinator/reruns.ts'
import { RunReader } from '../../src/coordinator/run-reader.ts'
import type { RerunStrategy } from '../../src/core/lineage.ts'
import { Queues } from '../../src/producer/queues.ts'
import { rerunOptions } from '../../src/producer/rerun-options.ts'
import type { DeliveredJob } from '../../src/worker/delivered-job.ts'
import type { DeliveryEnd } from '../../src/worker/delivery-end.ts'
import { Graphs } from '../../src/worker/graphs.ts'
import { Handlers } from '../../src/worker/handlers.ts'
import { openRerun } from '../../src/worker/open-rerun.ts'
import { readWorkerOptions } from '../../src/worker/options.ts'
import { TaskDurations } from '../../src/worker/task-durations.ts'
import { redisUrl } from '../setup/namespace.ts'
import { Driver } from './driver.ts'

const HOUR_MS = 3_600_000

/** The moves of reruns in the driver's shard. */
export function rerunsOf({ redis, keys }: Driver, maxCrashes = 3): Reruns {
  const retention = { succeededMs: HOUR_MS, failedMs: 2 * HOUR_MS }
  return new Reruns(redis, keys, { retention, maxCrashes })
}

/** The options of a rerun of the driver's run by hand. */
export async function optionsOf(driver: Driver, strategy: RerunStrategy): Promise<string> {
  return rerunOptions('', await driver.read(), { by: 'hand', strategy })
}

/** Makes a rerun of the driver's run by hand, and a driver of it. */
export async function createdRerun(
  driver: Driver,
  reruns: Reruns,
  maxCrashes = 3,
  strategy: RerunStrategy = 'from-failure',
): Promise<Driver> {
  const options = await optionsOf(driver, strategy)
  const created = await reruns.create(driver.runId, options, { by: 'hand' }, 0, null)
  if (created.status !== 'ok') throw new Error(`refused: ${created.reason}`)
  return driverOf(driver, reruns, created.runId, maxCrashes)
}

/** A driver of a rerun of the driver's run, which opens it as a worker does. */
export function driverOf(driver: Driver, reruns: Reruns, runId: string, maxCrashes = 3): Driver {
  const { redis, keys, graph } = driver
  const open = async (delivery: Delivery, free: number): Promise<ClaimAnswer> => {
    const answer = await openAsWorker(driver, reruns, delivery, free)
    if ('status' in answer) return answer
    throw new Error(`it was not opened: ${answer.kind}`)
  }
  const namespace = /^\{(.*):0\}$/.exec(keys.prefix)?.[1] ?? ''
  return new Driver(redis, graph, { namespace, maxCrashes, known: { runId, open } })
}

/** Opens a rerun in a delivery of its job, with a worker's own code. */
export function openAsWorker(
  { coordinator, redis, keys }: Driver,
  reruns: Reruns,
  delivery: Delivery,
  free = 1,
): Promise<ClaimAnswer | DeliveryEnd> {
  const handlers = new Handlers([], [])
  const around = {
    coordinator,
    handlers,
    reruns,
    reader: new RunReader(redis, keys),
    graphs: new Graphs(coordinator, handlers),
    queues: new Queues(redis, keys.prefix, { onError: () => {} }),
    durations: new TaskDurations(),
    settings: readWorkerOptions({ redis: redisUrl() }),
    logger: pino({ level: 'silent' }),
    hooks: {},
  }
  return openRerun(around, jobOf(delivery), delivery, { free, isolated: true })
}

function jobOf({ runId, token, started, seen }: Delivery): DeliveredJob {
  return {
    id: runId,
    queue: 'default',
    name: `default:${runId}`,
    token,
    priority: 0,
    data: {},
    started,
    seen,
    isFirstDelivery: true,
    isFresh: true,
    runId,
    progress: null,
    setProgress: () => Promise.resolve(),
  }
}
