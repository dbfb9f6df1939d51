import type { Coordinator } from '../coordinator/coordinator.ts'
import type { Holder, SharedLimits, Wait } from '../coordinator/shared-limits.ts'
import { messageOf } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { Queues } from '../producer/queues.ts'
import { addTicket, DEFAULT_PLACE } from '../producer/tickets.ts'
import { type AttemptAbort, AttemptAborted } from './aborts.ts'
import type { Graphs } from './graphs.ts'

/** What locks need of their worker. */
export interface LockParts {
  readonly sharedLimits: SharedLimits
  readonly coordinator: Coordinator
  readonly graphs: Graphs
  readonly queues: Queues
  readonly logger: Logger
}

/** A lock that an attempt has. It is renewed until it is given back. */
export interface HeldLock {
  readonly status: 'held'
  /** Gives it back and tells the next in line, once the attempt has been settled. It never throws. */
  release(): Promise<void>
}

/** Another attempt has the lock, or its turn: the grant is to be given back. */
export type LockWait = Wait & { readonly waitsFor: 'lock'; readonly key: string }

/**
 * Locks by key: one attempt of the fleet at a time has one (R23, lua/shared/lock.lua). Whoever gives one back tells the next
 * in line that it is its turn. If he dies before, the turn ends, and somebody who waits finds the lock free at his next look.
 */
export class Locks {
  readonly #parts: LockParts

  constructor(parts: LockParts) {
    this.#parts = parts
  }

  /** Takes a lock for an attempt, which is aborted if the lock is lost. It throws when Redis can't be asked. */
  async take(key: string, holder: Holder, abort: AttemptAbort): Promise<HeldLock | LockWait> {
    const { sharedLimits } = this.#parts
    for (;;) {
      const sentAt = performance.now()
      const answer = await sharedLimits.takeLock(key, holder)
      if (answer.status === 'wait') {
        const { status, waitMs, waitedMs, called } = answer
        await this.#guarded(key, holder, () => this.#tell(key, called))
        return { status, waitMs, waitedMs, waitsFor: 'lock', key }
      }
      // A process that was frozen meanwhile may have lost it again.
      if (performance.now() - sentAt < sharedLimits.leaseMs) return this.#hold(key, holder, abort)
    }
  }

  #hold(key: string, holder: Holder, abort: AttemptAbort): HeldLock {
    const { sharedLimits } = this.#parts
    let isReleased: boolean = false
    const renew = async () => {
      if ((await sharedLimits.renewLock(key, holder)) === 'ok' || isReleased) return
      abort.abort(new AttemptAborted('lock_lost', `the lock ${key} was lost`))
    }
    const renewal = setInterval(
      () => void this.#guarded(key, holder, renew),
      sharedLimits.leaseMs / 3,
    )
    return {
      status: 'held',
      release: () => {
        isReleased = true
        clearInterval(renewal)
        return this.#guarded(key, holder, async () => {
          await this.#tell(key, await sharedLimits.releaseLock(key, holder))
        })
      },
    }
  }

  /** Lets the one go on whose turn it is; if it doesn't wait any more, the next. */
  async #tell(key: string, called: Holder | null): Promise<void> {
    let next = called
    while (next !== null && !(await this.#wake(next))) {
      next = await this.#parts.sharedLimits.releaseLock(key, next)
    }
  }

  async #wake({ runId, index, attempt }: Holder): Promise<boolean> {
    const { coordinator, graphs, queues } = this.#parts
    const answer = await coordinator.wake(runId, index, attempt)
    if (answer.status === 'refused') return false
    const [ticket] = answer.toAdd
    if (!ticket) return true
    const { graph } = await graphs.get(answer.graph)
    const run = { runId, graph, place: answer.place ?? DEFAULT_PLACE }
    // It has stood in the queue before, and all that need the lock wait for it now.
    await addTicket(queues, run, ticket, { lifo: true })
    return true
  }

  // Whatever fails here ends by itself: a lease, a turn. The attempt's own result must not be lost because of it.
  async #guarded(key: string, holder: Holder, act: () => Promise<void>): Promise<void> {
    try {
      await act()
    } catch (error) {
      const { logger } = this.#parts
      logger.warn({ lock: key, ...holder, error: messageOf(error) }, 'a lock could not be reached')
    }
  }
}
