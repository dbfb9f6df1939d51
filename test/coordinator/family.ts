import type { RedisConnection } from '../../src/coordinator/connection.ts'
import type { GoOn, Outcome } from '../../src/coordinator/moves.ts'
import { childRunId } from '../../src/core/ids.ts'
import { type Active, afterReading, Driver, type DriverOptions } from './driver.ts'
import { type NodeSpec, node, runNode } from './graphs.ts'

/** A generous continuation: everything of the run's own place may go on. */
export const GO_ON: GoOn = { place: 0, grain: 16, slots: 1 }

/** How long an ended run is kept unless a parent has still to read it, in ms. */
export const KEPT_MS = { succeededMs: 5_000_000, failedMs: 9_000_000 }

/** A run whose node `x` waits for a child run, and that child, driven side by side. */
export class Family {
  readonly parent: Driver
  readonly child: Driver

  constructor(
    redis: RedisConnection,
    {
      parent = [runNode('x'), node('after', ['x'])],
      child = [node('a')],
      ...options
    }: DriverOptions & {
      readonly parent?: readonly NodeSpec[]
      readonly child?: readonly NodeSpec[]
    } = {},
  ) {
    this.parent = new Driver(redis, parent, { ...KEPT_MS, ...options })
    const { namespace } = this.parent
    this.child = new Driver(redis, child, {
      ...KEPT_MS,
      ...options,
      namespace,
      runId: this.childId,
    })
  }

  get childId(): string {
    return childRunId(this.parent.runId, 'x', 'test-flow#1')
  }

  /** What `x` does before it adds the child's job. */
  async awaitChild(active: Active): Promise<string> {
    const { delivery } = active
    const answer = await this.parent.coordinator.awaitChild(
      delivery,
      active.grant('x'),
      'test-flow#1',
      { runId: this.childId, flow: 'test-flow' },
    )
    return answer.status === 'refused' ? answer.reason : answer.status
  }

  get awaiting(): Outcome {
    return { kind: 'awaiting', child: this.childId }
  }

  /** Opens the parent and lets `x` wait for the child, which no worker has opened yet. */
  async wait(): Promise<Active> {
    const active = await this.parent.openGranted()
    await this.awaitChild(active)
    await active.settle('x', this.awaiting)
    return active
  }

  /** As `wait`, and opens the child. */
  async waitForLive(): Promise<Active> {
    await this.wait()
    return await this.child.openGranted()
  }

  /** How an attempt ends that has read the child. */
  reading(outcome: Outcome): Outcome {
    return afterReading(this.childId, outcome)
  }

  /** How long the child is kept from now on, in ms; -1 for ever. */
  childTtl(): Promise<number> {
    return this.child.redis.pttl(this.child.keys.run(this.childId))
  }
}
