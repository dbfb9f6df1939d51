import { z } from 'zod'
import {
  connectRedis,
  type RedisConnection,
  type RedisLocation,
  waitForRedis,
} from '../coordinator/connection.ts'
import { namespaceSchema, redisSchema } from '../coordinator/connection-schemas.ts'
import { ShardKeys } from '../coordinator/keys.ts'
import { Reruns } from '../coordinator/reruns.ts'
import type { NodeDetails } from '../coordinator/run-reader.ts'
import type { RunSnapshot } from '../coordinator/run-snapshot.ts'
import { RepriseError } from '../core/errors.ts'
import { DEFAULT_QUEUE } from '../producer/job-options.ts'
import type { QueuedRun } from '../producer/queued-run.ts'
import { Queues } from '../producer/queues.ts'
import { expectRunId, RunSource } from '../producer/run-source.ts'
import type { RunOperations } from './operations.ts'
import { type RerunOptions, rerun } from './rerun.ts'
import { retryInPlace } from './retry-in-place.ts'

/** The options of {@link Runs}. */
export interface RunsOptions {
  /** A URL or ioredis options. */
  readonly redis: RedisLocation
  /**
   * Prefix of everything in Redis; the same as the producers' and workers'.
   * @default 'reprise'
   */
  readonly namespace?: string | undefined
  /** Hears of connection errors, which Redis clients report at any time. Ignored if absent. */
  readonly onError?: ((error: Error) => void) | undefined
}

/** Where to look for a run. */
export interface RunLookup {
  /**
   * The queue in which its job waits until a worker opens it. Not needed for a run that was opened.
   * @default 'default'
   */
  readonly queue?: string | undefined
}

const optionsSchema = z.strictObject({
  redis: redisSchema,
  namespace: namespaceSchema,
  onError: z.custom<(error: Error) => void>((value) => typeof value === 'function').optional(),
})

const DAY_MS = 86_400_000
// As workers keep them by default: a run that is repeated is kept at least so long, so that its results can be copied.
const KEPT = { retention: { succeededMs: DAY_MS, failedMs: 7 * DAY_MS }, maxCrashes: 3 } as const

/**
 * Looks at runs (what each node did, does and waits for), repeats them, and retries what failed.
 *
 * @example
 * const runs = new Runs({ redis: 'redis://localhost:6379' })
 * const run = await runs.get(id)
 * for (const node of run.nodes) console.log(node.key, node.state, node.attempts)
 * await runs.close()
 */
export class Runs {
  readonly #location: RedisLocation
  readonly #redis: RedisConnection
  readonly #queues: Queues
  readonly #source: RunSource
  readonly #reruns: Reruns

  /** @throws RepriseError (`options`) that says which option, what was expected and what was got */
  constructor(options: RunsOptions) {
    const { namespace, onError = ignoreError } = readOptions(options)
    this.#location = options.redis
    this.#redis = connectRedis(options.redis, 'impatient')
    this.#redis.on('error', onError)
    const keys = new ShardKeys(namespace, 0)
    this.#queues = new Queues(this.#redis, keys.prefix, { onError })
    this.#source = new RunSource(this.#redis, keys, this.#queues)
    this.#reruns = new Reruns(this.#redis, keys, KEPT)
  }

  /**
   * Waits until Redis answers.
   *
   * @throws RepriseError (`redis`) after 5 seconds without an answer
   */
  async ready(): Promise<void> {
    await waitForRedis(this.#redis, this.#location)
  }

  /**
   * A run as it is now: every node's state, attempts, waits and log, and the flow's graph. One that no worker has opened
   * yet has `openedAt: null` and no nodes.
   *
   * @throws RepriseError `unknown_run` when neither a run nor a job with this id exists
   */
  async get(
    runId: string,
    { queue = DEFAULT_QUEUE }: RunLookup = {},
  ): Promise<RunSnapshot | QueuedRun> {
    expectRunId(runId)
    return await this.#source.find(runId, queue)
  }

  /**
   * One node of an opened run, with its input and its output, which may be large and are read for this node only.
   *
   * @param key the node's key, such as `ping` or `eu/ping-2`
   * @throws RepriseError `unknown_run` when no worker has opened such a run, `unknown_node` when it has no such node
   */
  async node(runId: string, key: string): Promise<NodeDetails> {
    expectRunId(runId)
    const run = await this.#source.reader.read(runId)
    if (!run) {
      throw new RepriseError(
        'unknown_run',
        `there is no run ${runId} that a worker has opened, so it has no nodes; runs.get() tells whether it waits in a queue`,
      )
    }
    return await this.#source.reader.readNode(run, key)
  }

  /**
   * Repeats an ended run by a new one, which keeps the results of nodes that need not be executed again. It waits in the
   * queue of the first run; `producer.run(id)` and `runs.get(id)` follow it.
   *
   * @returns the id of the new run: `<runId>~<n>`
   * @throws RepriseError `unknown_run`; `run_state` when the run has not ended, was refused before it was opened, has a rerun
   *   that has not ended, or nothing in it would be executed
   */
  async rerun(runId: string, options: RerunOptions = {}): Promise<{ readonly id: string }> {
    expectRunId(runId)
    return await rerun(this.#operations(), runId, options)
  }

  /**
   * Executes failed nodes again in the run itself: a fresh budget, attempt numbers that go on, everything that depends on
   * them afterwards.
   *
   * @param key the key of a failed node; by default all that have failed and were not made up for
   * @throws RepriseError `unknown_run`, `unknown_node`; `run_state` when nothing has failed, the run has succeeded or was
   *   cancelled, has a rerun, or a node that depends on a failed one has started: `rerun` is for these
   */
  async retry(runId: string, key?: string): Promise<void> {
    expectRunId(runId)
    await retryInPlace(this.#operations(), runId, key)
  }

  #operations(): RunOperations {
    return { source: this.#source, reruns: this.#reruns, queues: this.#queues }
  }

  /** Ends the connection. */
  async close(): Promise<void> {
    await this.#queues.close()
    this.#redis.disconnect()
  }
}

function readOptions(options: RunsOptions): z.infer<typeof optionsSchema> {
  const parsed = optionsSchema.safeParse(options)
  if (parsed.success) return parsed.data
  throw new RepriseError('options', `runs options: ${z.prettifyError(parsed.error)}`)
}

function ignoreError(): void {
  // A failed connection shows itself by the calls that it fails.
}
