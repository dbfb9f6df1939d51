import type { Outcome } from '../../src/coordinator/moves.ts'
import { failure, interruption, retryIn, skip, success } from './driver.ts'
import type { RandomRun } from './random-graph.ts'
import type { Step } from './run-model.ts'

/** What is to happen to the attempts of one run's nodes, and what did. */
export class NodeSteps {
  /** Of each node (of the last manual retry on). */
  readonly happened = new Map<number, Step[]>()
  readonly #run: RandomRun
  readonly #planned = new Map<number, Step[]>()

  constructor(run: RandomRun) {
    this.#run = run
  }

  planned(index: number): readonly Step[] {
    const planned = this.#planned.get(index) ?? [...this.#run.stepsOf(index)]
    this.#planned.set(index, planned)
    return planned
  }

  /** A step came instead of the one that was planned next. */
  take(index: number, step: Step): void {
    this.#planned.set(index, this.planned(index).slice(1))
    this.note(index, step)
  }

  /** A step came besides those that are planned. */
  note(index: number, step: Step): void {
    this.happened.set(index, [...(this.happened.get(index) ?? []), step])
  }

  /**
   * What the steps of nodes were that are retried by hand, they succeed now, unless a worker is lost; so do those of
   * their `descendants` whose condition was not true before.
   */
  succeedNext(indices: readonly number[], descendants: readonly number[]): void {
    const unmet = descendants.filter((index) => this.happened.get(index)?.[0] === 'unmet')
    for (const index of [...indices, ...unmet]) {
      this.#planned.set(index, [])
      this.happened.set(index, [])
    }
  }
}

/** How an attempt that takes this step is settled. */
export function outcomeOf(step: Step, choose: (choices: number) => number): Outcome {
  if (step === 'succeed') return success()
  if (step === 'fail') return failure()
  if (step === 'interrupted') return interruption()
  if (step === 'skip') return skip()
  if (step === 'unmet') return { kind: 'condition_false' }
  return retryIn(choose(2), choose(3) === 0 ? { queue: 'slow', priority: 1 } : null)
}
