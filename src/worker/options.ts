import { z } from 'zod'
import type { RedisLocation } from '../coordinator/connection.ts'
import { namespaceSchema, redisSchema } from '../coordinator/connection-schemas.ts'
import { type Duration, toMs } from '../core/duration.ts'
import { RepriseError } from '../core/errors.ts'
import type { Hooks } from '../core/hooks.ts'
import type { RunRetry } from '../core/lineage.ts'
import type { Logger } from '../core/logger.ts'
import type { Flow } from '../flow/flow.ts'
import { queueSchema } from '../flow/names.ts'
import type { Task } from '../flow/task.ts'
import { DEFAULT_QUEUE } from '../producer/job-options.ts'
import type { PolicyPlugin } from '../strategies/define-policy.ts'
import { maxCrashesOf } from '../strategies/policy-limits.ts'
import type { Policy } from '../strategies/policy-types.ts'
import { type RunRetryOption, readRunRetry } from '../strategies/run-retry.ts'
import { type RetryOption, toPolicy } from '../strategies/shorthand.ts'

/** The options of a {@link Worker}. Durations are ms or strings such as `'5s'`. */
export interface WorkerOptions {
  /** A URL or ioredis options. */
  readonly redis: RedisLocation
  /**
   * Prefix of everything in Redis; producers and workers that belong together share it.
   * @default 'reprise'
   */
  readonly namespace?: string | undefined
  /** The flows whose runs this worker opens and whose tasks it executes. */
  readonly flows?: readonly Flow<never, unknown>[] | undefined
  /** Further tasks, to be enqueued on their own. */
  readonly tasks?: readonly Task<never, unknown>[] | undefined
  /** Retry-policy plug-ins that runs and policies may name: what `definePolicy` returned. */
  readonly policies?: readonly PolicyPlugin[] | undefined
  /**
   * The queues that it serves, and how many handlers it runs at once in each.
   * @default { default: { concurrency: 50 } }
   */
  readonly queues?: { readonly [name: string]: { readonly concurrency: number } } | undefined
  readonly defaults?:
    | {
        /** The policy of nodes for which nothing else gives one. Default: no retries. */
        readonly retry?: RetryOption | undefined
        /** When runs that failed are retried as a whole, where neither enqueue nor flow says so. Default: never. */
        readonly runRetry?: RunRetryOption | undefined
        /** How long one attempt may take. Default: no limit. */
        readonly timeout?: Duration | undefined
      }
    | undefined
  /** `'off'`: nothing is retried by this worker. */
  readonly retries?: 'off' | undefined
  /**
   * How long a silent worker keeps its jobs. A crash is noticed within max(4 × stalledInterval, leaseDuration + 2 ×
   * stalledInterval).
   * @default '15s'
   */
  readonly leaseDuration?: Duration | undefined
  /**
   * How often lost jobs are looked for.
   * @default '5s'
   */
  readonly stalledInterval?: Duration | undefined
  /**
   * How long a run or node waits for a worker that knows its name, before it fails with `no_handler`.
   * @default '10m'
   */
  readonly unknownTaskTimeout?: Duration | undefined
  /**
   * How long ended runs are kept: at least 1 h, so that late deliveries find them.
   * @default { succeeded: '1d', failed: '7d' }
   */
  readonly retention?:
    | { readonly succeeded?: Duration | undefined; readonly failed?: Duration | undefined }
    | undefined
  /**
   * How long `close()` waits for running handlers before it interrupts them and hands their nodes back.
   * @default '10s'
   */
  readonly shutdownTimeout?: Duration | undefined
  /**
   * The signals on which the worker closes.
   * @default ['SIGTERM']
   */
  readonly closeOn?: readonly NodeJS.Signals[] | undefined
  /** A pino logger, or one like it. Default: a pino logger to standard output. What it throws is a warning of the process. */
  readonly logger?: Logger | undefined
  readonly hooks?: Hooks | undefined
}

/** The options with every default filled in, durations in ms. */
export interface WorkerSettings {
  readonly redis: RedisLocation
  readonly namespace: string
  readonly queues: ReadonlyMap<string, number>
  readonly defaultRetry: Policy | null
  /** How many lost leases a node survives unless its own policy says otherwise. */
  readonly maxCrashes: number
  readonly defaultRunRetry: RunRetry | null
  readonly defaultTimeoutMs: number | null
  readonly retries: 'on' | 'off'
  readonly leaseMs: number
  readonly stalledIntervalMs: number
  readonly unknownTaskTimeoutMs: number
  readonly retention: { readonly succeededMs: number; readonly failedMs: number }
  readonly shutdownTimeoutMs: number
  readonly closeOn: readonly NodeJS.Signals[]
}

const HOUR_MS = 3_600_000

const duration = (minMs: number, standard: Duration) =>
  z
    .custom<Duration>()
    .default(standard)
    .transform((value, ctx) => {
      try {
        const milliseconds = toMs(value, 'duration')
        if (milliseconds >= minMs) return milliseconds
        ctx.addIssue({
          code: 'custom',
          message: `expected at least ${minMs} ms, got ${milliseconds} ms`,
        })
      } catch (error) {
        ctx.addIssue({ code: 'custom', message: error instanceof Error ? error.message : '' })
      }
      return z.NEVER
    })

const schema = z.strictObject({
  redis: redisSchema,
  namespace: namespaceSchema,
  queues: z
    .record(queueSchema, z.strictObject({ concurrency: z.int().min(1).max(10_000) }))
    .default({ [DEFAULT_QUEUE]: { concurrency: 50 } }),
  defaults: z
    .strictObject({
      retry: z.custom<RetryOption>().optional(),
      runRetry: z.custom<RunRetryOption>().optional(),
      timeout: duration(1, 0).optional(),
    })
    .default({}),
  retries: z.literal('off').optional(),
  leaseDuration: duration(500, '15s'),
  stalledInterval: duration(100, '5s'),
  unknownTaskTimeout: duration(1, '10m'),
  retention: z
    .strictObject({ succeeded: duration(HOUR_MS, '1d'), failed: duration(HOUR_MS, '7d') })
    .prefault({}),
  shutdownTimeout: duration(0, '10s'),
  closeOn: z
    .array(z.custom<NodeJS.Signals>((value) => typeof value === 'string'))
    .default(['SIGTERM']),
})

/**
 * Checks the options and fills in the defaults.
 *
 * @throws RepriseError (`options`) that says which option, what was expected and what was got
 */
export function readWorkerOptions(options: WorkerOptions): WorkerSettings {
  const {
    flows: _flows,
    tasks: _tasks,
    policies: _policies,
    logger: _logger,
    hooks: _hooks,
    ...data
  } = options
  const parsed = schema.safeParse(data)
  if (!parsed.success) {
    throw new RepriseError('options', `worker options: ${z.prettifyError(parsed.error)}`)
  }
  const { data: read } = parsed
  const { retry, runRetry, timeout } = read.defaults
  const defaultRetry = retry === undefined ? null : toPolicy(retry, 'defaults.retry')
  return {
    redis: options.redis,
    namespace: read.namespace,
    queues: new Map(
      Object.entries(read.queues).map(([name, { concurrency }]) => [name, concurrency]),
    ),
    defaultRetry,
    maxCrashes: maxCrashesOf(defaultRetry),
    defaultRunRetry:
      runRetry === undefined ? null : readRunRetry(runRetry, 'worker options: defaults.runRetry'),
    defaultTimeoutMs: timeout ?? null,
    retries: read.retries ?? 'on',
    leaseMs: read.leaseDuration,
    stalledIntervalMs: read.stalledInterval,
    unknownTaskTimeoutMs: read.unknownTaskTimeout,
    retention: { succeededMs: read.retention.succeeded, failedMs: read.retention.failed },
    shutdownTimeoutMs: read.shutdownTimeout,
    closeOn: read.closeOn,
  }
}
