/** Why a running attempt is ended from outside. Whatever its handler throws then is recorded as this (R26). */
export type AbortCause = 'timeout' | 'lease_lost' | 'lock_lost' | 'shutdown'

/** The reason that an attempt's `AbortSignal` carries. */
export class AttemptAborted extends Error {
  /** `TimeoutError` as the web platform names it, so that `retryOn` can; else `AttemptAborted`. */
  override readonly name: string
  readonly abortCause: AbortCause

  constructor(abortCause: AbortCause, message: string) {
    super(message)
    this.name = abortCause === 'timeout' ? 'TimeoutError' : 'AttemptAborted'
    this.abortCause = abortCause
  }
}

/** Timers of Node end at once beyond 24.8 days: longer limits are cut to it. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** One attempt's end from outside: a signal for the handler, and a promise for whoever waits for the handler. */
export class AttemptAbort {
  #controller: AbortController | undefined
  #aborted: AttemptAborted | null = null
  #timer: NodeJS.Timeout | undefined
  #announce: ((aborted: AttemptAborted) => void) | undefined

  /** Made when it is asked for: most handlers never look, and a controller costs more than the rest of an attempt. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.#aborted) this.#controller.abort(this.#aborted)
    }
    return this.#controller.signal
  }

  /** Why the attempt was ended from outside; null if it was not. */
  get aborted(): AttemptAborted | null {
    return this.#aborted
  }

  /** Aborts after the attempt's time limit, unless it has ended before. */
  startTimeout(limitMs: number): void {
    this.#timer = setTimeout(
      () => {
        this.abort(new AttemptAborted('timeout', `the attempt took longer than its ${limitMs} ms`))
      },
      Math.min(limitMs, LONGEST_TIMER_MS),
    )
  }

  abort(aborted: AttemptAborted): void {
    if (this.#aborted) return
    this.#aborted = aborted
    this.#announce?.(aborted)
    this.#controller?.abort(aborted)
  }

  /**
   * The handler's result, or the abort if that comes first: a handler that ignores its signal holds nobody up, and one
   * that was aborted before is not called.
   */
  async race<T>(handler: () => T | Promise<T>): Promise<T> {
    const aborted = new Promise<never>((_, reject) => {
      this.#announce = reject
    })
    try {
      if (this.#aborted) throw this.#aborted
      return await Promise.race([handler(), aborted])
    } finally {
      clearTimeout(this.#timer)
      this.#announce = undefined
    }
  }
}

/** The attempts that run in this process, by the BullMQ job (`queue:id`) that they run under. */
export class RunningAttempts {
  readonly #byJob = new Map<string, Set<AttemptAbort>>()

  add(jobId: string, attempt: AttemptAbort): void {
    const running = this.#byJob.get(jobId) ?? new Set()
    running.add(attempt)
    this.#byJob.set(jobId, running)
  }

  remove(jobId: string, attempt: AttemptAbort): void {
    const running = this.#byJob.get(jobId)
    running?.delete(attempt)
    if (running?.size === 0) this.#byJob.delete(jobId)
  }

  /**
   * The job's lock could not be renewed, or the job was delivered again: somebody else may have its nodes.
   *
   * @returns whether attempts of the job run here
   */
  loseLease(jobId: string): boolean {
    const running = this.#byJob.get(jobId)
    for (const attempt of running ?? []) {
      attempt.abort(new AttemptAborted('lease_lost', 'the lease of this attempt was lost'))
    }
    return running !== undefined
  }

  interruptAll(): void {
    for (const attempts of this.#byJob.values()) {
      for (const attempt of attempts) {
        attempt.abort(new AttemptAborted('shutdown', 'the worker is shutting down'))
      }
    }
  }
}
