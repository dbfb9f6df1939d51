import { Announcements } from '../coordinator/announcements.ts'
import {
  connectRedis,
  type RedisConnection,
  type RedisLocation,
  waitForRedis,
} from '../coordinator/connection.ts'
import { ShardKeys } from '../coordinator/keys.ts'
import { messageOf, RepriseError } from '../core/errors.ts'
import { guardHooks } from '../core/guarded-hooks.ts'
import type { Hooks } from '../core/hooks.ts'
import { DEFAULT_NAMESPACE, newRunId } from '../core/ids.ts'
import { checkEnqueueOptions, type EnqueueOptions } from '../flow/enqueue-options.ts'
import type { Flow } from '../flow/flow.ts'
import { type NamedTarget, type Target, targetFacts } from '../flow/target.ts'
import type { Task } from '../flow/task.ts'
import type { PolicyPlugin } from '../strategies/define-policy.ts'
import { PolicyRegistry, pluginNames } from '../strategies/policy-registry.ts'
import { checkWorkers } from './check-workers.ts'
import { readPolicies } from './enqueue-policies.ts'
import { DEFAULT_QUEUE } from './job-options.ts'
import { Queues } from './queues.ts'
import { RunHandle } from './run-handle.ts'
import { makeRunJob, type RunJob } from './run-job.ts'
import { expectRunId, RunSource } from './run-source.ts'

/** The options of a {@link Producer}. */
export interface ProducerOptions {
  /** A URL or ioredis options. */
  readonly redis: RedisLocation
  /**
   * Prefix of everything in Redis; producers and workers that belong together share it.
   * @default 'reprise'
   */
  readonly namespace?: string | undefined
  /**
   * Retry-policy plug-ins. If they are given, a run whose policies name another, or have options that don't fit, is
   * refused here; else the worker finds out.
   */
  readonly policies?: readonly PolicyPlugin[] | undefined
  readonly hooks?: Hooks | undefined
  /** Hears of connection errors, which Redis clients report at any time. Ignored if absent. */
  readonly onError?: ((error: Error) => void) | undefined
}

/**
 * Hands runs to Redis. It may live in a service that holds no flow code. It fails fast: when Redis can't be reached,
 * `enqueue` rejects, and the caller decides.
 *
 * @example
 * const producer = new Producer({ redis: 'redis://localhost:6379' })
 * const run = await producer.enqueue(example, { topic: 'x' })
 * console.log(await run.result({ timeout: '1m' }))
 * await producer.close()
 */
export class Producer {
  readonly #location: RedisLocation
  readonly #redis: RedisConnection
  readonly #keys: ShardKeys
  readonly #queues: Queues
  readonly #source: RunSource
  readonly #hooks: Hooks
  readonly #policies: PolicyRegistry | null
  readonly #onError: (error: Error) => void
  #announcements: Announcements | null = null

  constructor(options: ProducerOptions) {
    this.#location = options.redis
    this.#onError = options.onError ?? ignoreError
    this.#hooks = guardHooks(options.hooks ?? {}, (hook, cause) =>
      this.#onError(
        new RepriseError('internal', `the hook ${hook} threw: ${messageOf(cause)}`, { cause }),
      ),
    )
    this.#policies = options.policies === undefined ? null : new PolicyRegistry(options.policies)
    this.#redis = this.#connect()
    this.#keys = new ShardKeys(options.namespace ?? DEFAULT_NAMESPACE, 0)
    this.#queues = new Queues(this.#redis, this.#keys.prefix, { onError: this.#onError })
    this.#source = new RunSource(this.#redis, this.#keys, this.#queues)
  }

  /**
   * Waits until Redis answers. Not needed before `enqueue`; good at a service's start.
   *
   * @throws RepriseError (`redis`) after 5 seconds without an answer
   */
  async ready(): Promise<void> {
    await waitForRedis(this.#redis, this.#location)
  }

  /**
   * Enqueues a run of a flow, of a single task, or of either by name.
   *
   * @param target a flow or task (its input is checked here), or `{ flow: 'name' }`, `{ task: 'name' }` (checked by the
   *   worker)
   * @returns a handle of the run, as soon as Redis has it
   * @throws RepriseError `invalid_input` (which field, expected, got), `options`, `redis`, `no_worker`
   * @throws SerializationError when JSON can't carry the input
   * @throws DefinitionError when a policy can't be sent, or names a plug-in wrongly (see `policies`)
   */
  enqueue<I, O>(
    target: Flow<I, O> | Task<I, O>,
    input: I,
    options?: EnqueueOptions,
  ): Promise<RunHandle<O>>
  enqueue(target: NamedTarget, input: unknown, options?: EnqueueOptions): Promise<RunHandle>
  async enqueue(
    target: Target,
    input: unknown,
    options: EnqueueOptions = {},
  ): Promise<RunHandle<never>> {
    checkEnqueueOptions(options)
    const runId = newRunId(0)
    await this.#checkPolicies(target, options)
    const job = await makeRunJob(runId, target, input, options, null)
    await this.#add(job)
    this.#hooks.onRunEnqueued?.({ runId, flow: job.name })
    return this.#handle(runId, job.queue)
  }

  /** A handle of a run that somebody else enqueued. `queue`: where its job waits until it is opened. */
  run(runId: string, queue = DEFAULT_QUEUE): RunHandle {
    expectRunId(runId)
    return this.#handle(runId, queue)
  }

  /** Ends all connections. Runs go on without the producer. */
  async close(): Promise<void> {
    await this.#queues.close()
    this.#announcements?.close()
    this.#redis.disconnect()
  }

  async #checkPolicies(target: Target, options: EnqueueOptions): Promise<void> {
    const policies = readPolicies(options)
    for (const [where, policy] of policies) this.#policies?.check(policy, where)
    if (!options.checkWorkers) return
    if (this.#redis.status !== 'ready') await waitForRedis(this.#redis, this.#location)
    const { kind, name } = targetFacts(target)
    const names = [...policies.values()].flatMap(pluginNames)
    await checkWorkers(this.#redis, this.#keys, { kind, name, policies: names })
  }

  async #add({ queue, name, data, options }: RunJob): Promise<void> {
    try {
      // BullMQ would wait for the connection, however long that takes.
      if (this.#redis.status !== 'ready') await waitForRedis(this.#redis, this.#location)
      await this.#queues.add(queue, name, data, options)
    } catch (cause) {
      throw new RepriseError('redis', `the run was not enqueued: ${messageOf(cause)}`, { cause })
    }
  }

  #handle(runId: string, queue: string): RunHandle<never> {
    return new RunHandle(runId, queue, this.#source, (heardRun, listener) => {
      this.#announcements ??= new Announcements(this.#connect())
      return this.#announcements.listen(this.#keys.run(heardRun), listener)
    })
  }

  #connect(): RedisConnection {
    const connection = connectRedis(this.#location, 'impatient')
    connection.on('error', this.#onError)
    return connection
  }
}

function ignoreError(): void {
  // A failed connection shows itself by the calls that it fails.
}
