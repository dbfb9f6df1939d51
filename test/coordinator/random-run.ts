import type { ClaimAnswer, Grant, RowLeft, TicketToAdd } from '../../src/coordinator/answers.ts'
import { type Delivery, type GoOn, type Outcome, STOP } from '../../src/coordinator/coordinator.ts'
import { templateOf } from '../../src/flow/instances.ts'
import {
  type Driver,
  failure,
  granted,
  interruption,
  retryIn,
  settledAnswer,
  skip,
  success,
} from './driver.ts'
import type { RandomRun } from './random-graph.ts'
import type { Step } from './run-model.ts'

const EXPANDED: Outcome = { kind: 'expanded' }

/** A delivery that goes on, with the attempts that run in it. */
interface Working {
  readonly ticket: number
  readonly delivery: Delivery
  readonly attempts: Grant[]
}

type Waiting = 'new' | 'redelivered' | 'retriedByHand'

/** Executes a run through the driver as unreliable workers would: whatever `choose` says is lost, repeated or late. */
export class UnreliableWorkers {
  /** What happened to each node's attempts (of the last manual retry on). */
  readonly happened = new Map<number, Step[]>()
  readonly #driver: Driver
  readonly #run: RandomRun
  readonly #planned = new Map<number, Step[]>()
  /** How many items each attempt of a map has made. */
  readonly #made = new Map<string, number>()
  readonly #choose: (choices: number) => number
  /** Jobs that wait for a worker, with how they came to wait. */
  readonly #waiting = new Map<number, Waiting>([[0, 'new']])
  readonly #working: Working[] = []
  readonly #grants = new Set<string>()
  #isOpen = false

  constructor(driver: Driver, run: RandomRun, choose: (choices: number) => number) {
    this.#driver = driver
    this.#run = run
    this.#choose = choose
  }

  /** Goes on until no job waits and no attempt runs. */
  async work(): Promise<void> {
    while (this.#waiting.size + this.#working.length > 0) {
      const choice = this.#choose(this.#waiting.size + this.#working.length)
      const ticket = [...this.#waiting.keys()][choice]
      const working = this.#working[choice - this.#waiting.size]
      if (ticket !== undefined) await this.#deliver(ticket)
      else if (working) await this.#goOn(working)
    }
  }

  /**
   * Presses Retry on an ended row's job. What its nodes' steps were, they succeed now, unless a worker is lost; so do
   * those of their `descendants` whose condition was not true before.
   */
  async pressRetry({ ticket, indices }: EndedRow, descendants: readonly number[]): Promise<void> {
    const unmet = descendants.filter((index) => this.happened.get(index)?.[0] === 'unmet')
    for (const index of [...indices, ...unmet]) {
      this.#planned.set(index, [])
      this.happened.set(index, [])
    }
    this.#waiting.set(ticket, 'retriedByHand')
    await this.work()
  }

  async #deliver(ticket: number): Promise<void> {
    const how = this.#waiting.get(ticket)
    this.#waiting.delete(ticket)
    const delivery = await this.#driver.deliver(ticket, {
      redelivered: how === 'redelivered',
      retriedByHand: how === 'retriedByHand',
    })
    const free = 1 + this.#choose(3)
    const isolated = this.#choose(3) > 0
    const grain = 1 + this.#choose(4)
    const claim = () =>
      ticket === 0 && !this.#isOpen
        ? this.#driver.open(delivery, { free, grain })
        : this.#driver.claim(delivery, free, isolated)
    const first = await claim()
    this.#isOpen = true
    // Sometimes the reply was lost, and the move was sent again.
    await this.#take(
      { ticket, delivery, attempts: [] },
      this.#choose(4) === 0 ? await claim() : first,
    )
  }

  async #take(working: Working, answer: ClaimAnswer): Promise<void> {
    const { ticket, attempts } = working
    if (answer.status === 'refused') {
      if (answer.reason !== 'descendant_started') throw new Error(`refused: ${answer.reason}`)
      return
    }
    const grants = answer.status === 'granted' ? answer.grants : []
    this.#start(attempts, grants)
    if (grants.length === 0 && this.#choose(6) === 0) {
      // The worker is lost before it adds what it owes.
      this.#waiting.set(ticket, 'redelivered')
      return
    }
    this.#add(answer.toAdd)
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
    if (this.#choose(6) === 0) return this.#crash(working)
    const { ticket, delivery, attempts } = working
    const position = this.#choose(attempts.length)
    const [grant] = attempts.slice(position)
    if (!grant) throw new Error('a delivery without attempts goes on')
    const { index, attempt } = grant
    const planned = this.#plannedFor(index)
    const isMap = this.#driver.graph.instances.bodies.has(templateOf(index))
    if (isMap && (planned[0] ?? 'succeed') === 'succeed') {
      if (await this.#makeItems(working, grant)) return
    }
    attempts.splice(position, 1)
    const step = planned.shift() ?? 'succeed'
    this.#note(index, step)
    // No attempt was made of this grant: should the node be reset, its number is granted again.
    if (step === 'unmet') this.#grants.delete(`${index}#${attempt}`)
    const outcome = isMap && step === 'succeed' ? EXPANDED : outcomeOf(step, this.#choose)
    const goOn = step === 'interrupted' ? STOP : this.#drawGoOn()
    const settle = () =>
      this.#driver.settle(delivery, this.#driver.keyOf(index), outcome, attempt, goOn)
    const answer = settledAnswer(await settle())
    if ((await this.#driver.nodesLeft()) < 0) throw new Error('more ended than there is')
    if (this.#choose(4) === 0) {
      // The reply was lost: the repeated settle doesn't tell what goes on, so the worker claims once more.
      const again = settledAnswer(await settle())
      if (again.rowLeft !== answer.rowLeft) throw new Error(`another answer: ${again.rowLeft}`)
      this.#add(again.toAdd)
      if (again.rowLeft === 'more') await this.#claimMore(working)
      else this.#finish(working, again.rowLeft)
      return
    }
    this.#start(attempts, answer.grants)
    if (attempts.length === 0 && this.#choose(4) === 0) {
      // Lost after the settle, before the tickets were added or the job was finished.
      this.#leave(working)
      this.#waiting.set(ticket, 'redelivered')
      return
    }
    this.#add(answer.toAdd)
    this.#finish(working, answer.rowLeft)
  }

  /** Makes one chunk of a map's items. True if there was one to make, or the worker was lost. */
  async #makeItems(working: Working, grant: Grant): Promise<boolean> {
    const { index, attempt } = grant
    const count = this.#run.itemsOf(index)
    const made = this.#made.get(`${index}#${attempt}`) ?? 0
    if (made >= count) return false
    const size = 1 + this.#choose(3)
    const items = Array.from({ length: Math.min(size, count - made) }, (_, i) => `${made + i}`)
    const grain = 1 + this.#choose(4)
    const expand = () => this.#driver.expand(working.delivery, grant, made, items, grain)
    const answer = await expand()
    if (answer.status !== 'expanded') throw new Error(`a chunk was refused: ${answer.reason}`)
    this.#made.set(`${index}#${attempt}`, answer.made)
    if (this.#choose(6) === 0) await this.#crash(working)
    else this.#add(answer.toAdd)
    return true
  }

  #plannedFor(index: number): Step[] {
    const planned = this.#planned.get(index) ?? [...this.#run.stepsOf(index)]
    this.#planned.set(index, planned)
    return planned
  }

  #note(index: number, step: Step): void {
    const happened = this.happened.get(index) ?? []
    this.happened.set(index, [...happened, step])
  }

  #drawGoOn(): GoOn {
    return { place: this.#choose(3) - 1, grain: 1 + this.#choose(4), slots: this.#choose(3) }
  }

  /** Under the same lease: what runs is told again, and what is ready is granted. */
  async #claimMore(working: Working): Promise<void> {
    const known = working.attempts.map(({ index, attempt }) => `${index}#${attempt}`)
    const answer = granted(await this.#driver.claim(working.delivery))
    this.#start(
      working.attempts,
      answer.grants.filter(({ index, attempt }) => !known.includes(`${index}#${attempt}`)),
    )
    this.#add(answer.toAdd)
    this.#finish(working, answer.rowLeft)
  }

  #finish(working: Working, rowLeft: RowLeft): void {
    if (working.attempts.length > 0) return
    this.#leave(working)
    if (rowLeft === 'more' || rowLeft === 'delayed') this.#waiting.set(working.ticket, 'new')
  }

  #leave(working: Working): void {
    this.#working.splice(this.#working.indexOf(working), 1)
  }

  /** The lease is lost; sometimes the worker lives on, and settles after somebody else has the ticket. */
  async #crash(working: Working): Promise<void> {
    this.#leave(working)
    const { ticket, delivery, attempts } = working
    for (const { index } of attempts) this.#note(index, 'crash')
    this.#waiting.set(ticket, 'redelivered')
    if (this.#choose(2) === 0) return
    await this.#deliver(ticket)
    for (const { index, attempt } of attempts) {
      const key = this.#driver.keyOf(index)
      const late = await this.#driver.settle(delivery, key, success(), attempt)
      if (late.status !== 'refused')
        throw new Error(`a late settle was taken: ${JSON.stringify(late)}`)
    }
  }

  // A job that was added before is not added again, unless it was finished since: then it finds no row.
  #add(tickets: readonly TicketToAdd[]): void {
    const isWorking = (ticket: number) => this.#working.some((working) => working.ticket === ticket)
    for (const { ticket } of tickets) {
      if (!this.#waiting.has(ticket) && !isWorking(ticket)) this.#waiting.set(ticket, 'new')
    }
  }
}

function outcomeOf(step: Step, choose: (choices: number) => number): Outcome {
  if (step === 'succeed') return success()
  if (step === 'fail') return failure()
  if (step === 'interrupted') return interruption()
  if (step === 'skip') return skip()
  if (step === 'unmet') return { kind: 'condition_false' }
  return retryIn(choose(2), choose(3) === 0 ? { queue: 'slow', priority: 1 } : null)
}

/** A ticket whose row holds only failed nodes. */
export interface EndedRow {
  readonly ticket: number
  readonly indices: readonly number[]
}

export async function endedRows(driver: Driver): Promise<EndedRow[]> {
  const fields = await driver.redis.hgetall(driver.keys.run(driver.runId))
  return Object.entries(fields)
    .filter(([name, row]) => /^t\d+$/.test(name) && row.startsWith('e|'))
    .map(([name, row]) => ({
      ticket: Number(name.slice(1)),
      indices: [...row.matchAll(/!(\d+)/g)].map(([, index]) => Number(index)),
    }))
}
