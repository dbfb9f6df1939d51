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
import { DEFAULT_NAMESPACE, isRunId, newRunId } from '../core/ids.ts'
import { toJsonText } from '../core/json.ts'
import type { Flow } from '../flow/flow.ts'
import { queueSchema } from '../flow/names.ts'
import type { Task } from '../flow/task.ts'
import type { PolicyPlugin } from '../strategies/define-policy.ts'
import { type PolicyJson, policyToJson } from '../strategies/policy-json.ts'
import { PolicyRegistry, pluginNames } from '../strategies/policy-registry.ts'
import type { Policy } from '../strategies/policy-types.ts'
import { type RetryOption, toPolicy } from '../strategies/shorthand.ts'
import { checkWorkers } from './check-workers.ts'
import { ENVELOPE_VERSION, type RunOptions, readRunOptions } from './envelope.ts'
import { DEFAULT_QUEUE, JOB_OPTIONS } from './job-options.ts'
import { Queues } from './queues.ts'
import { RunHandle } from './run-handle.ts'
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
  /**
   * Retry-policy plug-ins. If they are given, a run whose policies name another, or have options that don't fit, is
   * refused here; else the worker finds out.
   */
  readonly policies?: readonly PolicyPlugin[] | undefined
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
  /**
   * Refuse the run (`no_worker`) if no live worker knows the flow or task, or a policy that the enqueue names. A worker
   * that was killed counts as live for up to 15 s.
   * @default false
   */
  readonly checkWorkers?: boolean | undefined
}

const optionsSchema = z.strictObject({
  delay: z.union([z.number(), z.string()]).optional(),
  priority: z.int().min(0).max(2_097_152).optional(),
  queue: queueSchema.optional(),
  retry: z.unknown().optional(),
  retries: z.literal('off').optional(),
  nodes: z.record(z.string(), z.strictObject({ retry: z.unknown().optional() })).optional(),
  tags: z.array(z.string()).optional(),
  checkWorkers: z.boolean().optional(),
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
    const policies = readPolicies(options)
    for (const [where, policy] of policies) this.#policies?.check(policy, where)
    if (options.checkWorkers) {
      await this.#checkWorkers(kind, name, [...policies.values()])
    }
    const data = {
      v: ENVELOPE_VERSION,
      kind,
      [kind]: name,
      input,
      ...sentOptions(options, policies),
    }
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
    if (!isRunId(runId)) {
      throw new RepriseError(
        'unknown_run',
        `expected a run id such as ${newRunId(0)}, got ${JSON.stringify(runId)}`,
      )
    }
    return this.#handle(runId, queue)
  }

  /** Ends all connections. Runs go on without the producer. */
  async close(): Promise<void> {
    await this.#queues.close()
    this.#announcements?.close()
    this.#redis.disconnect()
  }

  async #checkWorkers(
    kind: 'flow' | 'task',
    name: string,
    policies: readonly Policy[],
  ): Promise<void> {
    if (this.#redis.status !== 'ready') await waitForRedis(this.#redis, this.#location)
    const names = policies.flatMap(pluginNames)
    await checkWorkers(this.#redis, this.#keys, { kind, name, policies: names })
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
    return new RunHandle(runId, queue, {
      redis: this.#redis,
      keys: this.#keys,
      queues: this.#queues,
      announcements: () => {
        this.#announcements ??= new Announcements(this.#connect())
        return this.#announcements
      },
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

/** The policies of an enqueue, by the option that gives them. */
function readPolicies({ retry, nodes = {} }: EnqueueOptions): Map<string, Policy> {
  const given: [where: string, retry: RetryOption | undefined][] = [
    ['retry', retry],
    ...Object.entries(nodes).map(([key, node]): [string, RetryOption | undefined] => [
      nodeOption(key),
      node.retry,
    ]),
  ]
  return new Map(
    given.flatMap(([where, option]) =>
      option === undefined ? [] : [[where, toPolicy(option, where)]],
    ),
  )
}

function nodeOption(key: string): string {
  return `nodes.${key}.retry`
}

/** The part of the options that travels with the run, as data. */
function sentOptions(
  { retries, nodes, tags }: EnqueueOptions,
  policies: ReadonlyMap<string, Policy>,
): { options?: RunOptions } {
  const data = new Map([...policies].map(([where, policy]) => [where, policyData(policy, where)]))
  const retry = data.get('retry')
  const sent = {
    ...(tags && { tags: [...tags] }),
    ...(retry && { retry }),
    ...(retries && { retries }),
    ...(nodes && { nodes: nodePolicies(Object.keys(nodes), data) }),
  }
  if (Object.keys(sent).length === 0) return {}
  const read = readRunOptions(sent)
  if ('problem' in read) throw new RepriseError('options', `enqueue options: ${read.problem}`)
  return { options: read.options }
}

function nodePolicies(
  keys: readonly string[],
  data: ReadonlyMap<string, PolicyJson>,
): Record<string, object> {
  return Object.fromEntries(
    keys.map((key) => {
      const retry = data.get(nodeOption(key))
      return [key, retry === undefined ? {} : { retry }]
    }),
  )
}

function policyData(policy: Policy, where: string): PolicyJson {
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
