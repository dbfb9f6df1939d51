import { z } from 'zod'
import { Announcements } from '../coordinator/announcements.ts'
import {
  connectRedis,
  type RedisConnection,
  type RedisLocation,
  waitForRedis,
} from '../coordinator/connection.ts'
import { ShardKeys } from '../coordinator/keys.ts'
import { type Duration, toMs } from '../core/duration.ts'
import { DefinitionError, messageOf, RepriseError } from '../core/errors.ts'
import { guardHooks } from '../core/guarded-hooks.ts'
import type { Hooks } from '../core/hooks.ts'
import { DEFAULT_NAMESPACE, newRunId } from '../core/ids.ts'
import { toJsonText } from '../core/json.ts'
import type { Flow } from '../flow/flow.ts'
import { queueSchema } from '../flow/names.ts'
import type { Task } from '../flow/task.ts'
import { policyToJson } from '../strategies/policy-json.ts'
import { type RetryOption, toPolicy } from '../strategies/shorthand.ts'
import { ENVELOPE_VERSION, type RunOptions, readRunOptions } from './envelope.ts'
import { DEFAULT_QUEUE, JOB_OPTIONS } from './job-options.ts'
import { Queues } from './queues.ts'
import { RunHandle } from './run-handle.ts'
import { expectRunId, RunSource } from './run-source.ts'
import { type NamedTarget, type Target, targetFacts } from './target.ts'

/** The options of a {@link Producer}. */
export interface ProducerOptions {
  /** A URL or ioredis options. */
  readonly redis: RedisLocation
  /**
   * Prefix of everything in Redis; producers and workers that belong together share it.
   * @default 'reprise'
   */
  readonly namespace?: string | undefined
  readonly hooks?: Hooks | undefined
  /** Hears of connection errors, which Redis clients report at any time. Ignored if absent. */
  readonly onError?: ((error: Error) => void) | undefined
}

/** The options of one enqueue. */
export interface EnqueueOptions {
  /** How long to wait before the run is opened. */
  readonly delay?: Duration | undefined
  /**
   * BullMQ's priority of the flow job: 0 first, then 1 to 2,097,152.
   * @default 0
   */
  readonly priority?: number | undefined
  /** The queue; by default the flow's or task's, else `default`. */
  readonly queue?: string | undefined
  /** A policy for all nodes of this run; beats every other. Only data: a function can't be sent. */
  readonly retry?: RetryOption | undefined
  /** `'off'`: nothing in this run is retried. */
  readonly retries?: 'off' | undefined
  /** Policies for single nodes of this run, by key; beat `retry`. */
  readonly nodes?:
    | { readonly [key: string]: { readonly retry?: RetryOption | undefined } }
    | undefined
  readonly tags?: readonly string[] | undefined
}

const optionsSchema = z.strictObject({
  delay: z.union([z.number(), z.string()]).optional(),
  priority: z.int().min(0).max(2_097_152).optional(),
  queue: queueSchema.optional(),
  retry: z.unknown().optional(),
  retries: z.literal('off').optional(),
  nodes: z.record(z.string(), z.strictObject({ retry: z.unknown().optional() })).optional(),
  tags: z.array(z.string()).optional(),
})

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
   * @throws RepriseError `invalid_input` (which field, expected, got), `options`, `redis`
   * @throws SerializationError when JSON can't carry the input
   * @throws DefinitionError when a policy can't be sent
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
    const { kind, name, schema, defaultQueue, defaultPriority } = targetFacts(target)
    checkOptions(options)
    if (schema) await checkInput(schema, input, `${kind} ${name}`)
    if (input === undefined) {
      throw new RepriseError('invalid_input', `${kind} ${name}: expected an input, got undefined`)
    }
    toJsonText(input, 'input')
    const runId = newRunId(0)
    const queue = options.queue ?? defaultQueue ?? DEFAULT_QUEUE
    const delay = options.delay === undefined ? 0 : toMs(options.delay, 'delay')
    const priority = options.priority ?? defaultPriority ?? 0
    const data = { v: ENVELOPE_VERSION, kind, [kind]: name, input, ...sentOptions(options) }
    await this.#add(queue, name, data, {
      ...JOB_OPTIONS,
      jobId: runId,
      ...(delay > 0 ? { delay } : {}),
      ...(priority > 0 ? { priority } : {}),
    })
    this.#hooks.onRunEnqueued?.({ runId, flow: name })
    return this.#handle(runId, queue)
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

  async #add(...job: Parameters<Queues['add']>): Promise<void> {
    try {
      // BullMQ would wait for the connection, however long that takes.
      if (this.#redis.status !== 'ready') await waitForRedis(this.#redis, this.#location)
      await this.#queues.add(...job)
    } catch (cause) {
      throw new RepriseError('redis', `the run was not enqueued: ${messageOf(cause)}`, { cause })
    }
  }

  #handle(runId: string, queue: string): RunHandle<never> {
    return new RunHandle(runId, queue, this.#source, (listener) => {
      this.#announcements ??= new Announcements(this.#connect())
      return this.#announcements.listen(this.#keys.run(runId), listener)
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

function checkOptions(options: EnqueueOptions): void {
  const parsed = optionsSchema.safeParse(options)
  if (!parsed.success) {
    throw new RepriseError('options', `enqueue options: ${z.prettifyError(parsed.error)}`)
  }
}

/** The part of the options that travels with the run, as data. */
function sentOptions(options: EnqueueOptions): { options?: RunOptions } {
  const { retry, retries, nodes, tags } = options
  const sent = {
    ...(tags && { tags: [...tags] }),
    ...(retry === undefined ? {} : { retry: policyData(retry, 'retry') }),
    ...(retries && { retries }),
    ...(nodes && { nodes: nodePolicies(nodes) }),
  }
  if (Object.keys(sent).length === 0) return {}
  const read = readRunOptions(sent)
  if ('problem' in read) throw new RepriseError('options', `enqueue options: ${read.problem}`)
  return { options: read.options }
}

function nodePolicies(nodes: NonNullable<EnqueueOptions['nodes']>): Record<string, object> {
  return Object.fromEntries(
    Object.entries(nodes).map(([key, { retry }]) => [
      key,
      retry === undefined ? {} : { retry: policyData(retry, `nodes.${key}.retry`) },
    ]),
  )
}

function policyData(retry: RetryOption, where: string): RetryOption {
  const policy = toPolicy(retry, where)
  try {
    return policyToJson(policy)
  } catch (cause) {
    throw cause instanceof DefinitionError
      ? new DefinitionError(`${where}: ${cause.message}`, { cause })
      : cause
  }
}

async function checkInput(schema: z.ZodType, input: unknown, what: string): Promise<void> {
  const parsed = await schema.safeParseAsync(input)
  if (parsed.success) return
  throw new RepriseError(
    'invalid_input',
    `${what}: the input is not valid:\n${z.prettifyError(parsed.error)}`,
  )
}
