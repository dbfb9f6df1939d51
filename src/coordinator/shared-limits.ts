import { RepriseError } from '../core/errors.ts'
import type { BreakerSettings, BreakerVerdict, BudgetSettings } from '../core/shared-limits.ts'
import { type MoveArguments, MoveBatch } from './batch.ts'
import type { RedisConnection } from './connection.ts'
import type { ShardKeys } from './keys.ts'
import { loadSharedMoves } from './scripts.ts'

/** Who takes a permit: one attempt of one node. Whoever asks again for it gets the same answer. */
export interface Holder {
  readonly runId: string
  readonly index: number
  readonly attempt: number
}

/** The node has to wait: it is to come again in `waitMs`, and has waited for `waitedMs`. */
export interface Wait {
  readonly status: 'wait'
  readonly waitMs: number
  readonly waitedMs: number
}

/** The answer of a budget. */
export type BudgetAnswer = { readonly status: 'go' } | Wait

/** The leave to start under a breaker, to be reported on. */
export interface BreakerPermit {
  /** A `probe` decides whether the breaker closes. */
  readonly status: 'go' | 'probe'
  /** The state of the breaker that it was given under; what it reports in another one is not counted. */
  readonly generation: number
}

/** The answer of a breaker. */
export type BreakerAnswer = BreakerPermit | Wait

/** The answer of a lock. `called`: whose turn it is instead, to be told by whoever asked; null if nobody is to be told. */
export type LockAnswer = { readonly status: 'go' } | (Wait & { readonly called: Holder | null })

/** What a breaker is after a report; `stale`: the report was not counted. */
export type BreakerState = 'closed' | 'open' | 'half_open' | 'stale'

/**
 * The limits that runs share by key (R23): a typed function for each move of their script; nobody else calls them. They
 * are taken before the claim or settle that needs them, so a permit may be taken and not used, but never used twice.
 * Settings are the caller's: where policies with one key differ, each applies its own.
 */
export class SharedLimits {
  readonly #batch: MoveBatch
  readonly #leaseMs: number

  /**
   * `keys`: of the shard of hash(key); there is one shard so far. `leaseMs`: for how long a budget remembers who took a
   * token, and how long a probe or the holder of a lock lives that nobody renews.
   */
  constructor(redis: RedisConnection, keys: ShardKeys, leaseMs: number) {
    this.#batch = new MoveBatch(redis, keys.live, [keys.prefix], loadSharedMoves())
    this.#leaseMs = leaseMs
  }

  /** How long a probe, and who holds a lock, lives that nobody renews, ms. */
  get leaseMs(): number {
    return this.#leaseMs
  }

  /** A first attempt adds to the budget, each further one takes a token or waits for one (lua/shared/budget.lua). */
  async takeBudget(budget: BudgetSettings, holder: Holder): Promise<BudgetAnswer> {
    const { key, ratio, minPerSecond, burst } = budget
    const retry = holder.attempt > 1 ? '1' : '0'
    const args = [key, nameOf(holder), this.#leaseMs, retry, ratio, minPerSecond, burst]
    const [status, waitMs, waitedMs] = await this.#move('takeBudget', args)
    return status === 'wait' ? waitOf(waitMs, waitedMs) : { status: 'go' }
  }

  /** May an attempt start? (lua/shared/breaker.lua) */
  async takeBreaker(breaker: BreakerSettings, holder: Holder): Promise<BreakerAnswer> {
    const { key, probes, releasePerSecond } = breaker
    const args = [key, nameOf(holder), this.#leaseMs, probes, releasePerSecond]
    const [status, first, waitedMs] = await this.#move('takeBreaker', args)
    if (status === 'wait') return waitOf(first, waitedMs)
    return { status: status === 'probe' ? 'probe' : 'go', generation: Number(first) }
  }

  /** A probe's handler still runs (lua/shared/breaker.lua). */
  async renewProbe(key: string, holder: Holder): Promise<'ok' | 'stale'> {
    const [status] = await this.#move('renewProbe', [key, nameOf(holder), this.#leaseMs])
    return status === 'ok' ? 'ok' : 'stale'
  }

  /** What an attempt says about the service (lua/shared/breaker.lua). */
  async reportBreaker(
    breaker: BreakerSettings,
    holder: Holder,
    { generation }: BreakerPermit,
    verdict: BreakerVerdict,
  ): Promise<BreakerState> {
    const { key, openFor, probes } = breaker
    const trip =
      'failures' in breaker
        ? [breaker.failures, 0, 0, 0]
        : [0, breaker.failureRatio, breaker.window, breaker.minAttempts]
    const args = [key, nameOf(holder), generation, verdict, openFor, probes, ...trip]
    const [status] = await this.#move('reportBreaker', args)
    // Trust border: the script's header lists what it answers.
    return status as BreakerState
  }

  /** May an attempt start? (lua/shared/lock.lua) */
  async takeLock(key: string, holder: Holder): Promise<LockAnswer> {
    const args = [key, nameOf(holder), this.#leaseMs, this.#turnMs]
    const [status, waitMs, waitedMs, called] = await this.#move('takeLock', args)
    if (status !== 'wait') return { status: 'go' }
    return { ...waitOf(waitMs, waitedMs), called: readHolder(String(called)) }
  }

  /** A lock's holder still runs (lua/shared/lock.lua). */
  async renewLock(key: string, holder: Holder): Promise<'ok' | 'stale'> {
    const [status] = await this.#move('renewLock', [key, nameOf(holder), this.#leaseMs])
    return status === 'ok' ? 'ok' : 'stale'
  }

  /**
   * A lock is given back (lua/shared/lock.lua).
   *
   * @returns whose turn it is, to be told; null if nobody waits, and if it was not this holder's
   */
  async releaseLock(key: string, holder: Holder): Promise<Holder | null> {
    const [status, called] = await this.#move('releaseLock', [key, nameOf(holder), this.#turnMs])
    return status === 'called' ? readHolder(String(called)) : null
  }

  /** In which an attempt has to come that was told that it may have a lock, ms. */
  get #turnMs(): number {
    return Math.ceil(this.#leaseMs / 3)
  }

  async #move(name: string, args: MoveArguments): Promise<readonly unknown[]> {
    const answer = await this.#batch.run(name, args)
    if (answer[0] !== 'error') return answer
    throw new RepriseError('internal', `${name} failed in Redis: ${String(answer[1])}`)
  }
}

function nameOf({ runId, index, attempt }: Holder): string {
  return `${runId}:${index}:${attempt}`
}

function readHolder(name: string): Holder | null {
  const [, runId, index, attempt] = /^(.+):(\d+):(\d+)$/.exec(name) ?? []
  return runId === undefined ? null : { runId, index: Number(index), attempt: Number(attempt) }
}

function waitOf(waitMs: unknown, waitedMs: unknown): Wait {
  return { status: 'wait', waitMs: Number(waitMs), waitedMs: Number(waitedMs) }
}
