import type { Grant } from '../../src/coordinator/answers.ts'
import type { Delivery, Outcome } from '../../src/coordinator/coordinator.ts'
import { childRunId } from '../../src/core/ids.ts'
import { afterReading, type Driver, failure, interruption, retryIn, success } from './driver.ts'
import { graphOf, node, runNode } from './graphs.ts'
import type { RandomRun } from './random-graph.ts'
import type { Step } from './run-model.ts'

/** How a child run ends unless its workers are lost too often; `cancelled`: at any time, if it has not failed by then. */
export type Fate = 'succeeded' | 'failed' | 'refused' | 'cancelled'

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
  /** Adds the job of a child run. */
  start(runId: string, fate: Fate): void
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
}

function fateOf(planned: readonly Step[], choose: (choices: number) => number): Fate {
  const step = planned.find((planned) => planned !== 'interrupted') ?? 'succeed'
  if (step === 'succeed') return 'succeeded'
  if (step === 'skip') return 'cancelled'
  return (['failed', 'refused', 'cancelled'] as const)[choose(3)] ?? 'failed'
}

const ONE = graphOf([node('a')])
const CHAIN = graphOf([node('a'), node('b', ['a'])])
const NESTED = graphOf([runNode('x')])

/** A child run that is to end so. Only those of the first generation have children of their own. */
export function childRun(
  fate: Fate,
  generation: number,
  choose: (choices: number) => number,
): RandomRun {
  const graphs = generation === 1 ? [ONE, ONE, CHAIN, NESTED] : [ONE]
  const graph = graphs[choose(graphs.length)] ?? ONE
  const before = (['retry', 'interrupted'] as const).filter(() => choose(4) === 0)
  const steps: readonly Step[] = [...before, fate === 'succeeded' ? 'succeed' : 'fail']
  const last = graph.graph.nodes.length - 1
  return {
    graph,
    stepsOf: (index) => (index === last ? steps : ['succeed']),
    itemsOf: () => 0,
  }
}
