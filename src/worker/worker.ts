import { randomBytes } from 'node:crypto'
import { Worker as BullWorker, type Job } from 'bullmq'
import { pino } from 'pino'
import {
  connectRedis,
  describeRedis,
  type RedisConnection,
  waitForRedis,
} from '../coordinator/connection.ts'
import { Coordinator } from '../coordinator/coordinator.ts'
import { ShardKeys } from '../coordinator/keys.ts'
import { Reruns } from '../coordinator/reruns.ts'
import { RunReader } from '../coordinator/run-reader.ts'
import { askServer } from '../coordinator/server-report.ts'
import { findObstacle } from '../coordinator/server-requirements.ts'
import { SharedLimits } from '../coordinator/shared-limits.ts'
import { messageOf, RepriseError } from '../core/errors.ts'
import { guardHooks } from '../core/guarded-hooks.ts'
import { guardLogger } from '../core/guarded-logger.ts'
import type { Logger } from '../core/logger.ts'
import { Queues } from '../producer/queues.ts'
import { PolicyRegistry } from '../strategies/policy-registry.ts'
import { RunningAttempts } from './aborts.ts'
import { checkPolicies } from './check-policies.ts'
import { deliveredJob } from './delivered-job.ts'
import { type DeliverySurroundings, deliver } from './delivery.ts'
import { endJob, storedBackoff } from './delivery-end.ts'
import { Graphs } from './graphs.ts'
import { Handlers } from './handlers.ts'
import { Heartbeat } from './heartbeat.ts'
import { Locks } from './locks.ts'
import { DRAIN_DELAY_SECONDS, Markers } from './markers.ts'
import { readWorkerOptions, type WorkerOptions, type WorkerSettings } from './options.ts'
import { Permits } from './permits.ts'
import { Reconciler } from './reconciler.ts'
import { RunRetries } from './run-retries.ts'
import { TaskDurations } from './task-durations.ts'

const SHARD = 0
// Lost leases are counted by the run's own ledgers; BullMQ would fail the job without asking (R10).
const MAX_STALLED_COUNT = 1e6
// While its connection is away BullMQ tries again this often; its own default of 15 s keeps a job's end waiting.
const RUN_RETRY_DELAY_MS = 1_000

/**
 * Executes flows and tasks. Run as many as you like: they share the work. It starts at once and ends with `close()`,
 * or on SIGTERM.
 *
 * @example
 * const worker = new Worker({ redis: 'redis://localhost:6379', flows: [example] })
 */
export class Worker {
  readonly #settings: WorkerSettings
  readonly #logger: Logger
  readonly #redis: RedisConnection
  readonly #queues: Queues
  readonly #markers: Markers
  readonly #running = new RunningAttempts()
  readonly #reconciler: Reconciler
  readonly #heartbeat: Heartbeat
  readonly #bullWorkers: readonly BullWorker[]
  readonly #onSignal = (signal: NodeJS.Signals) => this.#closeOnSignal(signal)
  #closing: Promise<void> | null = null
  #connections = 0

  /**
   * @throws RepriseError (`options`) that says which option, what was expected and what was got
   * @throws DefinitionError for a bad policy, and for two policies with one name
   */
  constructor(options: WorkerOptions) {
    this.#settings = readWorkerOptions(options)
    this.#logger = guardLogger(options.logger ?? pino({ name: 'reprise' }))
    const flows = options.flows ?? []
    const tasks = (options.tasks ?? []).map((task) => task.definition)
    const handlers = new Handlers(flows, tasks)
    const policies = new PolicyRegistry(options.policies ?? [])
    checkPolicies(policies, flows, tasks, this.#settings.defaultRetry)
    const keys = new ShardKeys(this.#settings.namespace, SHARD)
    this.#redis = connectRedis(this.#settings.redis, 'patient')
    this.#redis.on('error', (error) => this.#report('redis', error))
    this.#redis.on('ready', () => {
      this.#connections += 1
      this.#warnOfObstacle()
    })
    this.#markers = new Markers(this.#redis, keys.prefix)
    this.#queues = new Queues(this.#redis, keys.prefix, {
      onError: (error) => this.#report('queue', error),
      onDelayed: (queue, delayMs) => this.#markers.delayed(queue, delayMs),
    })
    const { retention, maxCrashes, retries } = this.#settings
    const settings = { retention, maxCrashes }
    const coordinator = new Coordinator(this.#redis, keys, settings)
    const reruns = new Reruns(this.#redis, keys, settings)
    const reader = new RunReader(this.#redis, keys)
    const hooks = guardHooks(options.hooks ?? {}, (hook, thrown) =>
      this.#logger.error({ hook, error: messageOf(thrown) }, 'a hook threw'),
    )
    const sharedLimits = new SharedLimits(this.#redis, keys, this.#settings.leaseMs)
    const graphs = new Graphs(coordinator, handlers)
    const shared = { coordinator, graphs, queues: this.#queues, logger: this.#logger }
    const surroundings: DeliverySurroundings = {
      ...shared,
      reruns,
      reader,
      runRetries: new RunRetries({
        reruns,
        reader,
        queues: this.#queues,
        logger: this.#logger,
        hooks,
        retries,
      }),
      sharedLimits,
      locks: new Locks({ ...shared, sharedLimits }),
      handlers,
      policies,
      settings: this.#settings,
      running: this.#running,
      durations: new TaskDurations(),
      isolation: new Permits(1),
      hooks,
      newLease: leaseSequence(),
      connectionNumber: () => this.#connections,
      isClosing: () => this.#closing !== null,
    }
    this.#reconciler = new Reconciler({
      redis: this.#redis,
      coordinator,
      reruns,
      runRetries: surroundings.runRetries,
      graphs: surroundings.graphs,
      reader: surroundings.reader,
      queues: this.#queues,
      logger: this.#logger,
      boundMs: recoveryBound(this.#settings),
      owner: surroundings.newLease(),
    })
    this.#reconciler.start()
    this.#heartbeat = new Heartbeat({
      redis: this.#redis,
      keys,
      logger: this.#logger,
      announcement: {
        v: 1,
        id: surroundings.newLease(),
        queues: [...this.#settings.queues.keys()],
        flows: handlers.flowVersions(),
        tasks: handlers.taskNames(),
        policies: policies.versions(),
      },
    })
    this.#heartbeat.start()
    this.#bullWorkers = [...this.#settings.queues].map(([queue, concurrency]) =>
      this.#serve(surroundings, keys.prefix, queue, concurrency),
    )
    for (const signal of this.#settings.closeOn) process.on(signal, this.#onSignal)
  }

  /**
   * Waits until it takes jobs.
   *
   * @throws RepriseError (`redis`) after 5 seconds without an answer (the worker itself goes on trying), or if the server is
   *   too old, or may delete keys when its memory is short
   */
  async ready(): Promise<void> {
    await waitForRedis(this.#redis, this.#settings.redis)
    const obstacle = await this.#findObstacle()
    if (obstacle !== null) throw new RepriseError('redis', obstacle)
    await Promise.all(this.#bullWorkers.map((worker) => worker.waitUntilReady()))
    await this.#heartbeat.started()
  }

  /**
   * Takes no more jobs, waits for running handlers (`shutdownTimeout`), interrupts those that are left, hands their
   * nodes back at no cost to their retries, and ends all connections.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const interrupt = setTimeout(
      () => this.#running.interruptAll(),
      this.#settings.shutdownTimeoutMs,
    )
    try {
      await Promise.all(this.#bullWorkers.map((worker) => worker.close()))
    } finally {
      clearTimeout(interrupt)
    }
    await this.#heartbeat.stop()
    await this.#reconciler.stop()
    await this.#queues.close()
    this.#markers.close()
    this.#redis.disconnect()
    // Until here: a signal that comes twice must not end the process in the middle of its closing.
    for (const signal of this.#settings.closeOn) process.off(signal, this.#onSignal)
  }

  #serve(
    surroundings: DeliverySurroundings,
    prefix: string,
    queue: string,
    concurrency: number,
  ): BullWorker {
    const { leaseMs, stalledIntervalMs } = this.#settings
    const permits = new Permits(concurrency)
    const worker = new BullWorker(
      queue,
      async (job: Job, token = '') => {
        const end = await deliver(surroundings, deliveredJob(job, token, SHARD), permits)
        if ('waitMs' in end) this.#markers.delayed(queue, end.waitMs)
        return endJob(job, token, end)
      },
      {
        connection: this.#redis,
        prefix,
        concurrency,
        lockDuration: leaseMs,
        stalledInterval: stalledIntervalMs,
        maxStalledCount: MAX_STALLED_COUNT,
        drainDelay: DRAIN_DELAY_SECONDS,
        runRetryDelay: RUN_RETRY_DELAY_MS,
        settings: { backoffStrategy: storedBackoff },
      },
      this.#markers.backend,
    )
    worker.on('error', (error) => this.#report(queue, error))
    worker.on('lockRenewalFailed', (jobIds: string[]) => {
      for (const jobId of jobIds) this.#running.loseLease(`${queue}:${jobId}`)
    })
    return worker
  }

  async #findObstacle(): Promise<string | null> {
    const obstacle = findObstacle(await askServer(this.#redis))
    return obstacle && `Redis at ${describeRedis(this.#settings.redis)}: ${obstacle}`
  }

  #warnOfObstacle(): void {
    this.#findObstacle().then(
      (obstacle) => {
        if (obstacle !== null) this.#logger.error({ obstacle }, 'this Redis is not safe to use')
      },
      (error: unknown) => this.#logger.warn({ error: messageOf(error) }, 'Redis was not checked'),
    )
  }

  #report(where: string, error: Error): void {
    this.#logger.warn({ where, error: messageOf(error) }, 'connection or queue error')
  }

  #closeOnSignal(signal: NodeJS.Signals): void {
    this.#logger.info({ signal }, 'closing on signal')
    this.close().catch((error: unknown) => {
      this.#logger.error({ error: messageOf(error) }, 'closing failed')
    })
  }
}

/** Within this time a crash is noticed by BullMQ: max(4 S, L + 2 S) for lease L and stalled interval S (measured). */
function recoveryBound({ leaseMs, stalledIntervalMs }: WorkerSettings): number {
  return Math.max(4 * stalledIntervalMs, leaseMs + 2 * stalledIntervalMs)
}

function leaseSequence(): () => string {
  const workerId = randomBytes(6).toString('base64url')
  let count = 0
  return () => `${workerId}.${(count++).toString(36)}`
}
