const SIGNALS = ['SIGINT', 'SIGTERM'] as const
const LONG_MS = 2 ** 30
const SAME_SIGNAL_MS = 1_000

/** Ctrl-C, or a request to end. */
export type EndSignal = (typeof SIGNALS)[number]

/** Waits for SIGINT or SIGTERM, and keeps the process alive until then. */
export interface SignalWait {
  readonly signal: Promise<EndSignal>
  /** Stops listening: then the signals end the process again. */
  release(): void
}

/**
 * Begins to wait for SIGINT or SIGTERM. Ctrl-C often comes twice, from the terminal and from npm or tsx: only one that
 * comes more than a second later ends the process at once.
 */
export function waitForSignal(): SignalWait {
  const alive = setInterval(() => {}, LONG_MS)
  const { promise, resolve } = newPromise<EndSignal>()
  let heardAt = Number.POSITIVE_INFINITY
  const hear = (signal: EndSignal) => {
    if (performance.now() - heardAt > SAME_SIGNAL_MS) process.exit(exitCodeOf(signal))
    heardAt = Math.min(heardAt, performance.now())
    clearInterval(alive)
    resolve(signal)
  }
  for (const signal of SIGNALS) process.on(signal, hear)
  return {
    signal: promise,
    release: () => {
      clearInterval(alive)
      for (const signal of SIGNALS) process.off(signal, hear)
    },
  }
}

/** The exit code that shells give to a process that a signal ended. */
export function exitCodeOf(signal: EndSignal): number {
  return signal === 'SIGINT' ? 130 : 143
}

function newPromise<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
