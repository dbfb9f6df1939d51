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

/** Tells a listener of the run's changes until the returned function is called. */
export type Listen = (listener: (what: Announcement) => void) => Promise<() => void>

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
    const stopListening = await this.#listen(() => bell.ring())
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

  async #hasEnded(): Promise<boolean> {
    const hasEnded = await this.#source.reader.hasEnded(this.id)
    if (hasEnded === null) await this.state()
    return hasEnded === true
  }
}
