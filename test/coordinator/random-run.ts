import type { ClaimAnswer, Grant, RowLeft, TicketToAdd } from '../../src/coordinator/answers.ts'
import { type Delivery, type GoOn, type Outcome, STOP } from '../../src/coordinator/moves.ts'
import type { GraphNode } from '../../src/flow/graph.ts'
import { templateOf } from '../../src/flow/instances.ts'
import { type Driver, type Settled, success } from './driver.ts'
import { type EndedRow, endedRows } from './ended-rows.ts'
import type { Fate } from './random-child-run.ts'
import { type AttemptEnding, ChildCalls } from './random-children.ts'
import type { Family } from './random-family.ts'
import type { RandomRun } from './random-graph.ts'
import { NodeSteps, outcomeOf } from './random-steps.ts'
import type { Step } from './run-model.ts'

const EXPANDED: Outcome = { kind: 'expanded' }

/** A delivery that goes on, with the attempts that run in it. */
interface Working {
  readonly ticket: number
  readonly delivery: Delivery
  readonly attempts: Grant[]
}

type Waiting = 'new' | 'redelivered' | 'retriedByHand'

/** The jobs of one run, and what unreliable workers do with them. */
export class RunWork {
  readonly driver: Driver
  readonly run: RandomRun
  readonly fate: Fate
  /** How many runs wait for it, one for the other. */
  readonly generation: number
  readonly #steps: NodeSteps
  /** How many items each attempt of a map has made. */
  readonly #made = new Map<string, number>()
  readonly #family: Family
  readonly #choose: (choices: number) => number
  readonly #children: ChildCalls
  /** Jobs that wait for a worker, with how they came to wait. */
  readonly #waiting = new Map<number, Waiting>()
  readonly #working: Working[] = []
  readonly #grants = new Set<string>()
  #isOpen: boolean = false
  #wasDelivered: boolean = false
  #wasRetried: boolean = false

  constructor(driver: Driver, run: RandomRun, family: Family, fate: Fate, generation: number) {
    this.driver = driver
    this.run = run
    this.fate = fate
    this.generation = generation
    this.#steps = new NodeSteps(run)
    this.#family = family
    this.#choose = family.choose
    this.#children = new ChildCalls(driver, {
      ...{ choose: family.choose, note: family.note, later: family.later },
      isLost: (runId) => family.isLost(runId),
      start: (runId, fate) => family.start(runId, fate, this),
      add: (tickets) => this.add(tickets),
    })
  }

  /** What happened to each node's attempts (of the last manual retry on). */
  get happened(): ReadonlyMap<number, Step[]> {
    return this.#steps.happened
  }

  /** How many jobs wait or are worked on. */
  get pending(): number {
    return this.#waiting.size + this.#working.length
  }

  /** True if somebody pressed Retry on one of its jobs. */
  get wasRetried(): boolean {
    return this.#wasRetried
  }

  /** True if a worker has had one of its jobs. */
  get wasDelivered(): boolean {
    return this.#wasDelivered
  }

  /** Goes on with one of its jobs. */
  async step(choice: number): Promise<void> {
    const ticket = [...this.#waiting.keys()][choice]
    const working = this.#working[choice - this.#waiting.size]
    if (ticket !== undefined) await this.#deliver(ticket)
    else if (working) await this.#goOn(working)
  }

  /** Presses Retry on an ended row's job. */
  pressRetry({ ticket, indices }: EndedRow, descendants: readonly number[]): void {
    this.succeedNext(indices, descendants)
    this.#waiting.set(ticket, 'retriedByHand')
  }

  /** See `NodeSteps.succeedNext`. */
  succeedNext(indices: readonly number[], descendants: readonly number[]): void {
    this.#steps.succeedNext(indices, descendants)
    this.#wasRetried = true
  }

  async #deliver(ticket: number): Promise<void> {
    this.#wasDelivered = true
    const how = this.#waiting.get(ticket)
    this.#waiting.delete(ticket)
    const delivery = await this.driver.deliver(ticket, {
      redelivered: how === 'redelivered',
      retriedByHand: how === 'retriedByHand',
    })
    if (this.fate === 'refused') return await this.#refuse(delivery)
    const free = 1 + this.#choose(3)
    const isolated = this.#choose(3) > 0
    const grain = 1 + this.#choose(4)
    const claim = () =>
      ticket === 0 && !this.#isOpen
        ? this.driver.open(delivery, { free, grain })
        : this.driver.claim(delivery, free, isolated)
    const first = await claim()
    this.#isOpen = true
    // Sometimes the reply was lost, and the move was sent again.
    await this.#take(
      { ticket, delivery, attempts: [] },
      this.#choose(4) === 0 ? await claim() : first,
    )
  }

  /** Somebody presses Retry on the job of a child that has failed, if there is one. */
  async #retryByHand(): Promise<void> {
    const [row] = (await endedRows(this.driver)).filter(({ ticket }) => !this.#isBusy(ticket))
    if (!row || (await this.driver.field('s')) !== 'F') return
    this.#family.note('child retried by hand')
    this.pressRetry(row, [])
  }

  async #refuse(delivery: Delivery): Promise<void> {
    const refusal = { reason: '{}', flow: 'test-flow', job: '' }
    const answer = await this.driver.coordinator.refuse(delivery, refusal)
    if (answer.status === 'refused') return await this.#expectCancelled(answer.reason)
    if (this.#choose(6) === 0) this.#waiting.set(0, 'redelivered')
    else this.add(answer.toAdd)
  }

  /** Nothing is refused but by a cancel. */
  async #expectCancelled(refusal: string): Promise<void> {
    if ((await this.driver.field('s')) !== 'C') throw new Error(`refused: ${refusal}`)
  }

  async #take(working: Working, answer: ClaimAnswer): Promise<void> {
    const { ticket, attempts } = working
    if (answer.status === 'refused') {
      if (answer.reason !== 'descendant_started') await this.#expectCancelled(answer.reason)
      return
    }
    const grants = answer.status === 'granted' ? answer.grants : []
    this.#start(attempts, grants)
    if (grants.length === 0 && this.#choose(6) === 0) {
      // The worker is lost before it adds what it owes.
      this.#waiting.set(ticket, 'redelivered')
      return
    }
    this.add(answer.toAdd)
    if (answer.status !== 'granted') return
    if (grants.length > 0) {
      this.#working.push(working)
      return
    }
    await new Promise((resolve) => setTimeout(resolve, answer.earlyMs))
    this.#waiting.set(ticket, 'new')
  }

  #start(attempts: Grant[], grants: readonly Grant[]): void {
    for (const grant of grants) {
      const name = `${grant.index}#${grant.attempt}`
      if (this.#grants.has(name)) throw new Error(`${name} was granted twice`)
      this.#grants.add(name)
      attempts.push(grant)
    }
  }

  /** An attempt of the delivery ends, or its worker is lost. */
  async #goOn(working: Working): Promise<void> {
    if (this.#choose(6) === 0) return await this.#crash(working)
    const [grant] = working.attempts.slice(this.#choose(working.attempts.length))
    if (!grant) throw new Error('a delivery without attempts goes on')
    const ending = await this.#endingOf(working, grant)
    if (ending) await this.#settle(working, grant, ending)
  }

  /** How an attempt ends. Null: not yet, or its worker was lost. */
  async #endingOf(working: Working, grant: Grant): Promise<AttemptEnding | null> {
    const { index } = grant
    const planned = this.#steps.planned(index)
    const step = planned[0] ?? 'succeed'
    const node = this.#nodeAt(index)
    if (node?.kind === 'map' && step === 'succeed') {
      return (await this.#makeItems(working, grant)) ? null : { outcome: EXPANDED, step }
    }
    if (node?.kind !== 'run' || planned.includes('unmet')) {
      return { outcome: outcomeOf(step, this.#choose), step }
    }
    const next = await this.#children.next(working.delivery, grant, planned)
    if (next === 'lost') await this.#crash(working)
    return next === 'lost' || next === 'asked' ? null : next
  }

  async #settle(working: Working, grant: Grant, ending: AttemptEnding): Promise<void> {
    const { ticket, delivery, attempts } = working
    const { outcome, step } = ending
    attempts.splice(attempts.indexOf(grant), 1)
    const goOn = step === 'interrupted' ? STOP : this.#drawGoOn()
    const settle = () =>
      this.driver.settle(delivery, this.driver.keyOf(grant.index), outcome, grant.attempt, goOn)
    const answer = await settle()
    if (answer.status === 'refused') {
      await this.#expectCancelled(answer.reason)
      return this.#leave(working)
    }
    if ((await this.driver.nodesLeft()) < 0) throw new Error('more ended than there is')
    this.#noteEnding(grant, ending)
    if (outcome.kind === 'awaiting') await this.#children.wait(grant.index, outcome.child, settle)
    if (this.#choose(4) === 0) return await this.#settleAgain(working, answer, settle)
    this.#start(attempts, answer.grants)
    if (attempts.length === 0 && this.#choose(4) === 0) {
      // Lost after the settle, before the tickets were added or the job was finished.
      this.#leave(working)
      this.#waiting.set(ticket, 'redelivered')
      return
    }
    this.add(answer.toAdd)
    this.#finish(working, answer.rowLeft)
  }

  /** The reply was lost: the repeated settle doesn't tell what goes on, so the worker claims once more. */
  async #settleAgain(
    working: Working,
    answer: Settled,
    settle: () => ReturnType<Driver['settle']>,
  ): Promise<void> {
    const again = await settle()
    if (again.status === 'refused') throw new Error(`refused again: ${again.reason}`)
    if (again.rowLeft !== answer.rowLeft) throw new Error(`another answer: ${again.rowLeft}`)
    this.add(again.toAdd)
    if (again.rowLeft === 'more') await this.#claimMore(working)
    else this.#finish(working, again.rowLeft)
  }

  #noteEnding({ index, attempt }: Grant, { outcome, step }: AttemptEnding): void {
    // The attempt goes on, or none was made of this grant: its number is granted again.
    if (step === null || step === 'unmet') this.#grants.delete(`${index}#${attempt}`)
    if (step === null) return
    this.#steps.take(index, step)
    const hasRead = 'child' in outcome && outcome.child !== undefined
    if (hasRead && outcome.kind !== 'succeeded') this.#children.hasFailed(index)
  }

  /** Makes one chunk of a map's items. True if there was one to make, or the worker was lost. */
  async #makeItems(working: Working, grant: Grant): Promise<boolean> {
    const { index, attempt } = grant
    const count = this.run.itemsOf(index)
    const made = this.#made.get(`${index}#${attempt}`) ?? 0
    if (made >= count) return false
    const size = 1 + this.#choose(3)
    const items = Array.from({ length: Math.min(size, count - made) }, (_, i) => `${made + i}`)
    const grain = 1 + this.#choose(4)
    const expand = () => this.driver.expand(working.delivery, grant, made, items, grain)
    const answer = await expand()
    if (answer.status !== 'expanded') {
      await this.#expectCancelled(answer.reason)
      this.#leave(working)
      return true
    }
    this.#made.set(`${index}#${attempt}`, answer.made)
    if (this.#choose(6) === 0) await this.#crash(working)
    else this.add(answer.toAdd)
    return true
  }

  #nodeAt(index: number): GraphNode | undefined {
    return this.driver.graph.graph.nodes[templateOf(index)]
  }

  #drawGoOn(): GoOn {
    return { place: this.#choose(3) - 1, grain: 1 + this.#choose(4), slots: this.#choose(3) }
  }

  /** Under the same lease: what runs is told again, and what is ready is granted. */
  async #claimMore(working: Working): Promise<void> {
    const known = working.attempts.map(({ index, attempt }) => `${index}#${attempt}`)
    const answer = await this.driver.claim(working.delivery)
    if (answer.status === 'ended') {
      // What was left besides failed nodes is parked by a pause.
      this.add(answer.toAdd)
      return this.#leave(working)
    }
    if (answer.status !== 'granted') throw new Error(`nothing more: ${answer.status}`)
    this.#start(
      working.attempts,
      answer.grants.filter(({ index, attempt }) => !known.includes(`${index}#${attempt}`)),
    )
    this.add(answer.toAdd)
    this.#finish(working, answer.rowLeft)
  }

  #finish(working: Working, rowLeft: RowLeft): void {
    if (working.attempts.length > 0) return
    this.#leave(working)
    if (rowLeft === 'more' || rowLeft === 'delayed') this.#waiting.set(working.ticket, 'new')
    const mayBeRetried = rowLeft === 'failed' && this.generation > 0
    if (mayBeRetried && this.#choose(3) === 0) this.#family.later(() => this.#retryByHand())
  }

  #leave(working: Working): void {
    this.#working.splice(this.#working.indexOf(working), 1)
  }

  /** The lease is lost; sometimes the worker lives on, and settles after somebody else has the ticket. */
  async #crash(working: Working): Promise<void> {
    this.#leave(working)
    const { ticket, delivery, attempts } = working
    for (const { index } of attempts) this.#steps.note(index, 'crash')
    this.#waiting.set(ticket, 'redelivered')
    if (this.#choose(2) === 0) return
    await this.#deliver(ticket)
    for (const grant of attempts) {
      const { index, attempt } = grant
      const key = this.driver.keyOf(index)
      if (this.#nodeAt(index)?.kind === 'run') await this.#children.askTooLate(delivery, grant)
      const late = await this.driver.settle(delivery, key, success(), attempt)
      if (late.status !== 'refused')
        throw new Error(`a late settle was taken: ${JSON.stringify(late)}`)
    }
  }

  /** A job that was added before is not added again, unless it was finished since: then it finds no row. */
  add(tickets: readonly Pick<TicketToAdd, 'runId' | 'ticket'>[]): void {
    for (const { runId, ticket } of tickets) {
      if (runId !== undefined && runId !== this.driver.runId) this.#family.add(runId, ticket)
      else if (!this.#isBusy(ticket)) this.#waiting.set(ticket, 'new')
    }
  }

  #isBusy(ticket: number): boolean {
    return this.#waiting.has(ticket) || this.#working.some((working) => working.ticket === ticket)
  }
}
