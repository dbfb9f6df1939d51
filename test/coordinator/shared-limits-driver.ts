import type { RedisConnection } from '../../src/coordinator/connection.ts'
import { ShardKeys } from '../../src/coordinator/keys.ts'
import {
  type BreakerPermit,
  type BreakerState,
  type Holder,
  SharedLimits,
} from '../../src/coordinator/shared-limits.ts'
import type {
  BreakerSettings,
  BreakerVerdict,
  BudgetSettings,
} from '../../src/core/shared-limits.ts'
import { testNamespace } from '../setup/namespace.ts'

const LEASE_MS = 60_000
const TIMES = ['at', 'until']

/** Drives the shared limits of a namespace of its own; time passes when the test says so. */
export class LimitsDriver {
  readonly limits: SharedLimits
  readonly #redis: RedisConnection
  readonly #keys = new ShardKeys(testNamespace(), 0)

  constructor(redis: RedisConnection, leaseMs = LEASE_MS) {
    this.#redis = redis
    this.limits = new SharedLimits(redis, this.#keys, leaseMs)
  }

  /** `go`, or the ms to wait. */
  async budget(settings: BudgetSettings, name: string, attempt = 2): Promise<'go' | number> {
    const answer = await this.limits.takeBudget(settings, holder(name, attempt))
    return answer.status === 'wait' ? answer.waitMs : answer.status
  }

  /** `go`, `probe`, or the ms to wait. */
  async breaker(settings: BreakerSettings, name: string): Promise<'go' | 'probe' | number> {
    const answer = await this.limits.takeBreaker(settings, holder(name))
    return answer.status === 'wait' ? answer.waitMs : answer.status
  }

  /** An attempt that is let through. */
  async permit(settings: BreakerSettings, name: string): Promise<BreakerPermit> {
    const answer = await this.limits.takeBreaker(settings, holder(name))
    if (answer.status === 'wait') throw new Error(`${name} has to wait ${answer.waitMs} ms`)
    return answer
  }

  /** An attempt that is let through, and reports. */
  async attempt(
    settings: BreakerSettings,
    name: string,
    verdict: BreakerVerdict,
  ): Promise<BreakerState> {
    const permit = await this.permit(settings, name)
    return await this.limits.reportBreaker(settings, holder(name), permit, verdict)
  }

  /** `go`, or whose turn the caller has to tell, or the ms to wait. */
  async lock(key: string, name: string, attempt = 1): Promise<'go' | { called: string } | number> {
    const answer = await this.limits.takeLock(key, holder(name, attempt))
    if (answer.status === 'go') return 'go'
    return answer.called ? { called: answer.called.runId } : answer.waitMs
  }

  /** Whose turn it is after a lock was given back. */
  async release(key: string, name: string, attempt = 1): Promise<string | null> {
    return (await this.limits.releaseLock(key, holder(name, attempt)))?.runId ?? null
  }

  /** What is stored. */
  async storedKeys(): Promise<string[]> {
    const prefix = `${this.#keys.prefix}/`
    return await this.#redis.keys(`${prefix.replaceAll(/[[\]*?]/g, '\\$&')}*`)
  }

  /** Makes everything that is stored so much older. The only place that knows how the scripts store times. */
  async passTime(ms: number): Promise<void> {
    for (const key of await this.storedKeys()) {
      if ((await this.#redis.type(key)) === 'zset') {
        const factor = key.includes('-line:') ? 1_000 : 1
        for (const member of await this.#redis.zrange(key, 0, '-1')) {
          await this.#redis.zincrby(key, -ms * factor, member)
        }
      } else {
        for (const field of TIMES) {
          const time = await this.#redis.hget(key, field)
          if (time !== null) await this.#redis.hset(key, field, Number(time) - ms)
        }
      }
    }
  }
}

export function holder(name: string, attempt = 1): Holder {
  return { runId: name, index: 0, attempt }
}
