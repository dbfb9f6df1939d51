import type { Driver } from './driver.ts'
import type { EndedRow } from './ended-rows.ts'
import { childRun, type Fate } from './random-child-run.ts'
import type { Relatives } from './random-children.ts'
import type { RandomRun } from './random-graph.ts'
import { RunWork } from './random-run.ts'
import { rerunsOf } from './rerun-driver.ts'
import type { Step } from './run-model.ts'

/** What workers share that execute the runs of one family. */
export interface Family extends Omit<Relatives, 'start' | 'add'> {
  /** Makes a child run unless it is known, and adds its job. */
  start(runId: string, fate: Fate, parent: RunWork): void
  /** Adds a ticket of one of its runs. */
  add(runId: string, ticket: number): void
}

/**
 * Executes a run, and the child runs that its nodes wait for, as unreliable workers would: whatever `choose` says is
 * lost, repeated or late.
 */
export class UnreliableWorkers implements Family {
  readonly choose: (choices: number) => number
  /** What happened, and how often. */
  readonly events = new Map<string, number>()
  readonly #root: RunWork
  readonly #works = new Map<string, RunWork>()
  readonly #actions: (() => Promise<void>)[] = []

  constructor(driver: Driver, run: RandomRun, choose: (choices: number) => number) {
    this.choose = choose
    this.#root = new RunWork(driver, run, this, 'succeeded', 0)
    this.#works.set(driver.runId, this.#root)
    this.#root.add([{ ticket: 0 }])
  }

  /** What happened to each node's attempts (of the last manual retry on). */
  get happened(): ReadonlyMap<number, Step[]> {
    return this.#root.happened
  }

  /** The child runs that were started. */
  get children(): RunWork[] {
    return [...this.#works.values()].filter((work) => work !== this.#root)
  }

  /** Goes on until no job waits and no attempt runs. */
  async work(): Promise<void> {
    for (;;) {
      const works = [...this.#works.values()]
      const pending = works.reduce((sum, work) => sum + work.pending, this.#actions.length)
      if (pending === 0) return
      await this.#step(works, this.choose(pending))
    }
  }

  async #step(works: readonly RunWork[], choice: number): Promise<void> {
    let left = choice
    for (const work of works) {
      if (left < work.pending) return await work.step(left)
      left -= work.pending
    }
    const [action] = this.#actions.splice(left, 1)
    await action?.()
  }

  /** See `RunWork.pressRetry`. */
  async pressRetry(row: EndedRow, descendants: readonly number[]): Promise<void> {
    this.#root.pressRetry(row, descendants)
    await this.work()
  }

  /** The same by the operation that retries a node by its name. Nothing happens if it is refused. */
  async retryNode(index: number, descendants: readonly number[]): Promise<void> {
    const { driver } = this.#root
    const answer = await rerunsOf(driver, driver.maxCrashes).retryNodes(driver.runId, index)
    if (answer.status === 'refused') return
    this.#root.succeedNext([index], descendants)
    this.#root.add(answer.toAdd)
    await this.work()
  }

  note = (event: string): void => {
    this.events.set(event, (this.events.get(event) ?? 0) + 1)
  }

  later = (action: () => Promise<void>): void => {
    this.#actions.push(action)
  }

  isLost(runId: string): boolean {
    const work = this.#works.get(runId)
    return work !== undefined && !work.wasDelivered && work.pending === 0
  }

  add(runId: string, ticket: number): void {
    this.#works.get(runId)?.add([{ ticket }])
  }

  start(runId: string, fate: Fate, parent: RunWork): void {
    const known = this.#works.get(runId)
    if (known) {
      known.add([{ ticket: 0 }])
      return
    }
    const generation = parent.generation + 1
    const run = childRun(fate, generation, this.choose)
    const driver = parent.driver.beside(run.graph, runId)
    const work = new RunWork(driver, run, this, fate, generation)
    this.#works.set(runId, work)
    if (this.choose(10) === 0) this.note('job of a child lost')
    else work.add([{ ticket: 0 }])
    this.note(generation === 1 ? 'child started' : 'child of a child started')
    if (fate === 'cancelled') this.cancel(driver, this.choose(4))
    if (this.choose(8) === 0) this.pause(driver, this.choose(4))
  }

  /** Somebody pauses a run after he has looked at it so often, and resumes it at any time. */
  pause(driver: Driver, patience: number): void {
    this.later(async () => {
      if (patience > 0) return this.pause(driver, patience - 1)
      const { status } = await driver.coordinator.pause(driver.runId)
      if (status === 'refused') return
      this.note('run paused')
      this.later(() => this.#resume(driver))
    })
  }

  async #resume({ coordinator, runId }: Driver): Promise<void> {
    const answer = await coordinator.resume(runId)
    if (answer.status === 'refused') return
    for (const { ticket } of answer.toAdd) this.add(runId, ticket)
    this.note(answer.toAdd.length > 0 ? 'run resumed, with parked nodes' : 'run resumed')
  }

  /**
   * Somebody cancels a run at any time, and does so again if he is lost before he has added what it released.
   *
   * @param patience how often he looks at it before
   */
  cancel(driver: Driver, patience: number): void {
    this.later(async () => {
      if (patience > 0) return this.cancel(driver, patience - 1)
      const answer = await driver.coordinator.cancel(driver.runId)
      if (answer.status === 'refused') return
      if (this.choose(4) === 0) this.cancel(driver, 0)
      else for (const { runId = '', ticket } of answer.toAdd) this.add(runId, ticket)
    })
  }
}
