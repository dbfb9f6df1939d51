import type { Grant, TicketToAdd } from '../../src/coordinator/answers.ts'
import type { Delivery, Outcome } from '../../src/coordinator/moves.ts'
import { childRunId } from '../../src/core/ids.ts'
import { afterReading, type Driver, failure, interruption, retryIn, success } from './driver.ts'
import { type Fate, fateOf } from './random-child-run.ts'
import type { Step } from './run-model.ts'

/** How an attempt ends; without a step, it goes on later. */
export interface AttemptEnding {
  readonly outcome: Outcome
  readonly step: Step | null
}

/** What a node that waits for child runs needs of the others of its family. */
export interface Relatives {
  readonly choose: (choices: number) => number
  /** Something happened that the test counts. */
  note(event: string): void
  /** Lets something happen at any time. */
  later(action: () => Promise<void>): void
  /** Adds the job of a child run. */
  start(runId: string, fate: Fate): void
  /** True if the job of a child run is gone before a worker has opened it. */
  isLost(runId: string): boolean
  /** Adds tickets of the run. */
  add(tickets: readonly TicketToAdd[]): void
}

const FLOW = 'test-flow'

/** The child runs of one run's nodes, as their attempts start, await and read them. */
export class ChildCalls {
  readonly #driver: Driver
  readonly #family: Relatives
  /** How many children of a node it has seen fail. */
  readonly #failed = new Map<number, number>()
  /** What an attempt is about to settle. */
  readonly #prepared = new Map<string, AttemptEnding>()

  constructor(driver: Driver, family: Relatives) {
    this.#driver = driver
    this.#family = family
  }

  /**
   * Goes one step on with an attempt: it asks for its child, and starts it; then it settles what it was told, and much
   * may have happened in between.
   *
   * @returns how it ends; `asked`: not yet; `lost`: its worker is lost
   */
  async next(
    delivery: Delivery,
    grant: Grant,
    planned: readonly Step[],
  ): Promise<AttemptEnding | 'asked' | 'lost'> {
    const name = `${grant.index}#${grant.attempt}`
    const { choose } = this.#family
    const prepared = this.#prepared.get(name)
    if (prepared) {
      if (choose(2) === 0) return 'asked'
      this.#prepared.delete(name)
      return prepared
    }
    const isInterrupted = planned[0] === 'interrupted'
    const interrupted = { outcome: interruption(), step: planned[0] ?? null }
    if (isInterrupted && choose(2) === 0) return interrupted
    const ending = await this.#ask(delivery, grant, planned)
    if (ending === 'lost') return ending
    this.#prepared.set(name, isInterrupted ? interrupted : ending)
    return 'asked'
  }

  /** An attempt whose lease was lost asks for its child. */
  async askTooLate(delivery: Delivery, grant: Grant): Promise<void> {
    const answer = await this.#await(delivery, grant)
    if (answer.status !== 'refused') throw new Error(`a late awaitChild: ${answer.status}`)
  }

  #key(index: number): string {
    return `${FLOW}#${1 + (this.#failed.get(index) ?? 0)}`
  }

  #childId(index: number): string {
    return childRunId(this.#driver.runId, this.#driver.keyOf(index), this.#key(index))
  }

  #await(delivery: Delivery, grant: Grant) {
    const child = { runId: this.#childId(grant.index), flow: FLOW }
    return this.#driver.coordinator.awaitChild(delivery, grant, this.#key(grant.index), child)
  }

  async #ask(
    delivery: Delivery,
    grant: Grant,
    planned: readonly Step[],
  ): Promise<AttemptEnding | 'lost'> {
    const { choose, note, start } = this.#family
    const child = this.#childId(grant.index)
    const answer = await this.#await(delivery, grant)
    if (choose(4) === 0) {
      const again = await this.#await(delivery, grant)
      if (again.status !== answer.status) throw new Error(`another answer: ${again.status}`)
    }
    const awaiting: AttemptEnding = { outcome: { kind: 'awaiting', child }, step: null }
    switch (answer.status) {
      case 'gone':
        throw new Error(`the child ${child} is gone`)
      case 'ended':
        return await this.#read(child, planned)
      case 'unopened':
        if (choose(6) === 0) {
          note('worker lost: before the job of the child')
          return 'lost'
        }
        start(child, fateOf(planned, choose))
        if (choose(6) > 0) return awaiting
        note('worker lost: after the job of the child')
        return 'lost'
      default:
        return awaiting
    }
  }

  async #read(child: string, planned: readonly Step[]): Promise<AttemptEnding> {
    const { choose, note } = this.#family
    const state = await this.#driver.redis.hget(this.#driver.keys.run(child), 's')
    if (state === 'S') {
      note('child read: succeeded')
      return { outcome: afterReading(child, success()), step: 'succeed' }
    }
    note(`child read: ${state === 'C' ? 'cancelled' : state === 'X' ? 'refused' : 'failed'}`)
    if (planned[0] === 'retry') {
      note('failed by a child, and retried')
      return { outcome: afterReading(child, retryIn(choose(2))), step: 'retry' }
    }
    note('failed by a child')
    return { outcome: afterReading(child, failure()), step: 'fail' }
  }

  /** A child was read that did not succeed: the next attempt starts another one. */
  hasFailed(index: number): void {
    this.#failed.set(index, 1 + (this.#failed.get(index) ?? 0))
  }

  /** A node waits for its child now, or goes on at once. `settle`: what told so. */
  async wait(index: number, child: string, settle: () => Promise<unknown>): Promise<void> {
    const { choose, note, later, isLost } = this.#family
    const state = await this.#driver.redis.hget(this.#driver.keys.run(child), 's')
    const hasEnded = state !== null && state !== 'R'
    note(hasEnded ? 'child ended before awaiting' : 'child ended after awaiting')
    if (hasEnded) return
    // A connection that was lost for long sends again what was not answered.
    if (choose(2) === 0) {
      later(async () => {
        await settle()
        note('awaiting settled again, late')
      })
    }
    if (isLost(child) || choose(10) === 0) later(() => this.#reconcile(index))
  }

  /** What the reconciler does with a node that waits for a child whose job is lost, as far as it knows. */
  async #reconcile(index: number): Promise<void> {
    const { runId, coordinator } = this.#driver
    const packed = await this.#driver.field(`n${index}`)
    if (!packed?.startsWith('C')) return
    const answer = await coordinator.adopt(runId, index, packed)
    // The run was cancelled.
    if (answer.status === 'refused') return
    this.#family.note('waiting node given to a new ticket')
    this.#family.add(answer.toAdd)
  }
}
