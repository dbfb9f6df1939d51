import { isBranded } from '../strategies/signals.ts'

const SKIP = Symbol.for('reprise.skip')

/**
 * Thrown by a handler that finds nothing to do: its node is `skipped`, without a retry, and what depends on it reacts as
 * to any skip. The message is kept in the node's history.
 *
 * @example
 * if (orders.length === 0) throw new Skip('no orders today')
 */
export class Skip extends Error {
  override readonly name: string = 'Skip'

  /** @internal */
  get [SKIP](): true {
    return true
  }
}

/** True for a `Skip`, of any copy of this package. */
export function isSkip(thrown: unknown): boolean {
  return isBranded(thrown, SKIP)
}
