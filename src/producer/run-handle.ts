import { setTimeout as sleep } from 'node:timers/promises'
import type { Announcement } from '../coordinator/announcements.ts'
import { runFailed } from '../coordinator/run-failure.ts'
import type { RunSnapshot } from '../coordinator/run-snapshot.ts'
import { Bell } from '../core/bell.ts'
import { type Duration, toMs } from '../core/duration.ts'
import { RepriseError } from '../core/errors.ts'
import { isFinalRunState, type RunState } from '../core/states.ts'
import { eventsBetween, type RunEvent } from './run-events.ts'
import type { RunSource } from './run-source.ts'

/** Tells a listener of a run's changes until the returned function is called. */
export type Listen = (runId: string, listener: (what: Announcement) => void) => Promise<() => void>

/** What {@link RunHandle.result} takes. */
export interface ResultOptions {
  /** How long to wait; for ever if absent. */
  readonly timeout?: Duration | undefined
  /**
   * Whether to wait for the automatic retries of the whole run (`runRetry`), and give the outcome of the last one.
   * @default true
   */
  readonly followRetries?: boolean | undefined
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
  readonly #listen: Listen

  /** @internal Handles are made by `Producer`. */
  constructor(id: string, queue: string, source: RunSource, listen: Listen) {
    this.id = id
    this.#queue = queue
    this.#source = source
    this.#listen = listen
  }

  /**
   * Waits for the end of the run, and, if it failed and is retried as a whole, for the end of its retries.
   *
   * @returns the flow's output, as JSON made it
   * @throws RunFailed if the run (the last of its retries) failed or was cancelled, with the node, its attempts and its
   *   last failure
   * @throws RepriseError `timeout` when the time is over (the run goes on), `unknown_run` when there is no such run
   */
  async result({ timeout, followRetries = true }: ResultOptions = {}): Promise<T> {
    const deadline = timeout === undefined ? Infinity : Date.now() + toMs(timeout, 'timeout')
    let run = await this.#end(this.id, deadline)
    while (followRetries && run.retriedBy !== null) {
      const retry = await this.#end(run.retriedBy, deadline)
      // A retry that could not be opened is none: then the run itself knows that it isn't retried.
      run = retry.refusal ? await this.#end(run.id, deadline) : retry
    }
    if (run.state !== 'succeeded') throw runFailed(run)
    // The type border: the flow's own types say what its output is.
    return (await this.#source.reader.readOutput(run)) as T
  }

  /**
   * The run's state now.
   *
   * @throws RepriseError `unknown_run` when neither a run nor a job with this id exists
   */
  async state(): Promise<RunState> {
    return (await this.#source.find(this.id, this.#queue)).state
  }

  /** The run with all its nodes and attempts, or null while no worker has opened it. */
  read(): Promise<RunSnapshot | null> {
    return this.#source.reader.read(this.id)
  }

  /**
   * What happens in the run, from its beginning to its end, whenever the reading starts.
   *
   * @throws RepriseError `unknown_run` when there is no such run
   */
  async *events(): AsyncGenerator<RunEvent, void, void> {
    const bell = new Bell()
    const stopListening = await this.#listen(this.id, () => bell.ring())
    try {
      for (let before: RunSnapshot | null = null; ; ) {
        const run = await this.read()
        if (run) yield* eventsBetween(before, run)
        else await this.state()
        if (run && isFinalRunState(run.state)) return
        before = run
        await bell.wait(POLL_MS)
        await sleep(BURST_MS)
      }
    } finally {
      stopListening()
    }
  }

  /** Waits for the end of a run, and until it is known whether it is retried. */
  async #end(runId: string, deadline: number): Promise<RunSnapshot> {
    const bell = new Bell()
    const stopListening = await this.#listen(runId, (what) => what === 'ended' && bell.ring())
    try {
      for (;;) {
        const run = (await this.#hasEnded(runId)) ? await this.#source.reader.read(runId) : null
        const isUndecided = run?.willRetry && run.retriedBy === null
        if (run && isFinalRunState(run.state) && !isUndecided) return run
        const leftMs = deadline - Date.now()
        if (leftMs <= 0) {
          throw new RepriseError('timeout', `run ${runId} has not ended in time; it goes on`)
        }
        await bell.wait(Math.min(leftMs, POLL_MS))
      }
    } finally {
      stopListening()
    }
  }

  async #hasEnded(runId: string): Promise<boolean> {
    const hasEnded = await this.#source.reader.hasEnded(runId)
    if (hasEnded === null) await this.#source.find(runId, this.#queue)
    return hasEnded === true
  }
}
