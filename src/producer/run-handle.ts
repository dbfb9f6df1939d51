import { setTimeout as sleep } from 'node:timers/promises'
import type { Announcement, Announcements } from '../coordinator/announcements.ts'
import type { RedisConnection } from '../coordinator/connection.ts'
import type { ShardKeys } from '../coordinator/keys.ts'
import { failureOfEntry } from '../coordinator/run-record.ts'
import { readResult } from '../coordinator/run-result.ts'
import { type NodeSnapshot, type RunSnapshot, readRun } from '../coordinator/run-snapshot.ts'
import { Bell } from '../core/bell.ts'
import { type Duration, toMs } from '../core/duration.ts'
import { RepriseError, RunFailed } from '../core/errors.ts'
import type { RecordedDecision, StopReason } from '../core/failure.ts'
import { isFinalRunState, type RunState } from '../core/states.ts'
import type { Queues } from './queues.ts'
import { eventsBetween, type RunEvent } from './run-events.ts'

/** Where a handle reads. */
export interface RunSource {
  readonly redis: RedisConnection
  readonly keys: ShardKeys
  readonly queues: Queues
  /** Opened when the first waiter listens. */
  readonly announcements: () => Announcements
}

// Announcements may get lost: how often a waiter looks without one.
const POLL_MS = 2_000
// Changes come in bursts: how long a reader of events waits for more of them before it reads.
const BURST_MS = 20

/** One run, as whoever enqueued it (or knows its id) sees it. `T` is the type of its output. */
export class RunHandle<T = unknown> {
  /** The run's id. */
  readonly id: string
  readonly #queue: string
  readonly #source: RunSource

  /** @internal Handles are made by `Producer`. */
  constructor(id: string, queue: string, source: RunSource) {
    this.id = id
    this.#queue = queue
    this.#source = source
  }

  /**
   * Waits for the end of the run.
   *
   * @param options.timeout how long to wait; for ever if absent
   * @returns the flow's output, as JSON made it
   * @throws RunFailed if the run failed or was cancelled, with the node, its attempts and its last failure
   * @throws RepriseError `timeout` when the time is over (the run goes on), `unknown_run` when there is no such run
   */
  async result(options: { readonly timeout?: Duration | undefined } = {}): Promise<T> {
    const deadline =
      options.timeout === undefined ? Infinity : Date.now() + toMs(options.timeout, 'timeout')
    const run = await this.#end(deadline)
    if (!run) throw new RepriseError('timeout', `run ${this.id} has not ended in time; it goes on`)
    if (run.state !== 'succeeded') throw runFailed(run)
    // The type border: the flow's own types say what its output is.
    return (await readResult(this.#source.redis, this.#source.keys, run)) as T
  }

  /**
   * The run's state now.
   *
   * @throws RepriseError `unknown_run` when neither a run nor a job with this id exists
   */
  async state(): Promise<RunState> {
    const run = await this.read()
    return run ? run.state : this.#jobState()
  }

  /** The run with all its nodes and attempts, or null while no worker has opened it. */
  read(): Promise<RunSnapshot | null> {
    return readRun(this.#source.redis, this.#source.keys, this.id)
  }

  /**
   * What happens in the run, from its beginning to its end, whenever the reading starts.
   *
   * @throws RepriseError `unknown_run` when there is no such run
   */
  async *events(): AsyncGenerator<RunEvent, void, void> {
    const bell = new Bell()
    const stopListening = await this.#listen(() => bell.ring())
    try {
      for (let before: RunSnapshot | null = null; ; ) {
        const run = await this.read()
        if (run) yield* eventsBetween(before, run)
        else await this.#jobState()
        if (run && isFinalRunState(run.state)) return
        before = run
        await bell.wait(POLL_MS)
        await sleep(BURST_MS)
      }
    } finally {
      stopListening()
    }
  }

  /** Waits for the end of the run; null when the deadline passes before. */
  async #end(deadline: number): Promise<RunSnapshot | null> {
    const bell = new Bell()
    const stopListening = await this.#listen((what) => what === 'ended' && bell.ring())
    try {
      for (;;) {
        const run = (await this.#hasEnded()) ? await this.read() : null
        if (run && isFinalRunState(run.state)) return run
        const leftMs = deadline - Date.now()
        if (leftMs <= 0) return null
        await bell.wait(Math.min(leftMs, POLL_MS))
      }
    } finally {
      stopListening()
    }
  }

  #listen(listener: (what: Announcement) => void): Promise<() => void> {
    return this.#source.announcements().listen(this.#source.keys.run(this.id), listener)
  }

  async #hasEnded(): Promise<boolean> {
    const letter = await this.#source.redis.hget(this.#source.keys.run(this.id), 's')
    if (letter === null) await this.#jobState()
    return letter !== null && letter !== 'R'
  }

  async #jobState(): Promise<RunState> {
    const job = await this.#source.queues.get(this.#queue).getJob(this.id)
    if (!job) {
      // The job may have been taken over by a worker since the run was read.
      const run = await this.read()
      if (run) return run.state
      throw new RepriseError(
        'unknown_run',
        `there is no run ${this.id}, and no job with this id in the queue ${this.#queue}; ended runs are removed after their retention`,
      )
    }
    if (await job.isFailed()) {
      throw new RepriseError(
        'unknown_run',
        `there is no run ${this.id}; its job failed: ${job.failedReason}`,
      )
    }
    if (!(await job.isDelayed())) return 'queued'
    return job.attemptsStarted > 0 ? 'waiting' : 'scheduled'
  }
}

/** The node that failed first and was not made up for; or the one that made another fail for which nothing did. */
function culpritOf({ nodes, graph }: RunSnapshot): NodeSnapshot | undefined {
  const decisive = graph?.graph.succeedsWhen?.flatMap((index) => nodes[index] ?? []) ?? nodes
  const [failed] = decisive
    .filter((node) => node.state === 'failed' && !node.forgiven)
    .sort((a, b) => (a.endedAt ?? 0) - (b.endedAt ?? 0))
  if (failed) return failed
  const victim = decisive.find((node) => node.state === 'upstream_failed' && !node.forgiven)
  return nodes.find(({ key }) => key === victim?.causedBy)
}

function reasonOf(state: RunFailed['state'], decision: RecordedDecision | null): StopReason {
  if (state === 'cancelled') return 'cancelled'
  return decision?.action === 'stop' ? decision.reason : 'exhausted'
}

function runFailed(run: RunSnapshot): RunFailed {
  const state = run.state === 'cancelled' ? 'cancelled' : 'failed'
  if (run.refusal) {
    const { reason, error } = run.refusal
    const failure = { kind: 'error', error } as const
    return new RunFailed({ runId: run.id, state, node: null, attempts: 0, reason, failure })
  }
  const culprit = culpritOf(run)
  const last = culprit?.log.at(-1)
  return new RunFailed({
    runId: run.id,
    state,
    node: culprit?.key ?? null,
    attempts: culprit?.attempts ?? 0,
    reason: reasonOf(state, last?.decision ?? null),
    failure: last ? failureOfEntry(last) : null,
  })
}
