const SIGNALS = ['SIGINT', 'SIGTERM'] as const
const LONG_MS = 2 ** 30

/** Ctrl-C, or a request to end. */
export type EndSignal = (typeof SIGNALS)[number]

/** Waits for SIGINT or SIGTERM, and keeps the process alive until then. */
export interface SignalWait {
  readonly signal: Promise<EndSignal>
  /** Stops waiting: then the signals end the process again. */
  release(): void
}

/** Begins to wait for SIGINT or SIGTERM. A second one ends the process at once. */
export function waitForSignal(): SignalWait {
  const alive = setInterval(() => {}, LONG_MS)
  const { promise, resolve } = newPromise<EndSignal>()
  const hear = (signal: EndSignal) => {
    release()
    resolve(signal)
  }
  const release = () => {
    clearInterval(alive)
    for (const signal of SIGNALS) process.off(signal, hear)
  }
  for (const signal of SIGNALS) process.once(signal, hear)
  return { signal: promise, release }
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
