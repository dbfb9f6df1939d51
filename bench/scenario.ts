import type { Redis } from 'ioredis'

/** One way to get a number of runs done. */
export interface Scenario {
  readonly name: string
  /** Tasks (or jobs that stand for one) in each run. */
  readonly tasksPerRun: number
  /**
   * Enqueues `runs` runs and executes them; resolves when the last has ended. Rejects if one ended badly. The time
   * between `started` and `ended` counts: what it opens and closes around its work does not.
   */
  execute(runs: number, clock: Clock): Promise<void>
}

/** What a scenario tells when its work begins and ends. */
export interface Clock {
  started(): Promise<void>
  ended(): Promise<void>
}

/** What scenarios share: one Redis, the same concurrency and connection options for all. */
export interface Surroundings {
  readonly url: string
  readonly concurrency: number
  connect(): Redis
  /** A fresh name for a queue or namespace. */
  freshName(): string
}

const ENQUEUED_AT_ONCE = 1_000

/** Enqueues in parallel, a thousand at a time: the fastest way that a BullMQ client has. */
export async function enqueueAll(
  count: number,
  enqueue: (i: number) => Promise<unknown>,
): Promise<void> {
  for (let from = 0; from < count; from += ENQUEUED_AT_ONCE) {
    const size = Math.min(ENQUEUED_AT_ONCE, count - from)
    await Promise.all(Array.from({ length: size }, (_, i) => enqueue(from + i)))
  }
}

/** Counts ends; `done` resolves at the last, or rejects at the first that went wrong. */
export function countdown(count: number): {
  readonly done: Promise<void>
  one(): void
  fail(error: Error): void
} {
  let left = count
  let resolve: () => void = () => {}
  let reject: (error: Error) => void = () => {}
  const done = new Promise<void>((onDone, onError) => {
    resolve = onDone
    reject = onError
  })
  return {
    done,
    one: () => {
      left -= 1
      if (left === 0) resolve()
    },
    fail: reject,
  }
}
