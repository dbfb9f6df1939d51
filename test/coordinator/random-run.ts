import fc from 'fast-check'
import type { TicketToAdd } from '../../src/coordinator/answers.ts'
import type { Delivery, Outcome } from '../../src/coordinator/coordinator.ts'
import type { CompiledGraph } from '../../src/flow/compile.ts'
import {
  type Driver,
  failure,
  interruption,
  retryIn,
  settledAnswer,
  success,
  TAKEN_OVER,
} from './driver.ts'
import { gate, graphOf, join, type NodeSpec, node, settledOf } from './graphs.ts'
import type { Step } from './run-model.ts'

/** A graph, and for each node what happens to its attempts. */
export interface RandomRun {
  readonly graph: CompiledGraph
  readonly steps: readonly (readonly Step[])[]
}

const MAX_NODES = 15

const steps: fc.Arbitrary<Step[]> = fc
  .tuple(
    fc.array(fc.constantFrom<Step>('crash', 'retry', 'interrupted'), { maxLength: 3 }),
    fc.constantFrom<Step>('succeed', 'succeed', 'fail'),
  )
  .map(([first, last]) => [...first, last])

const kinds = fc.constantFrom('task', 'task', 'task', 'alert', 'gate', 'join', 'settled', 'orElse')

/** Any kind of node with any upstreams, far more than flows can build: the scripts must cope with all. */
export const randomRun: fc.Arbitrary<RandomRun> = fc
  .array(fc.tuple(kinds, fc.array(fc.nat(MAX_NODES), { maxLength: 4 }), steps), {
    minLength: 1,
    maxLength: MAX_NODES,
  })
  .map((drawn) => {
    const specs: NodeSpec[] = []
    for (const [kind, upstreams] of drawn) specs.push(...nodesOf(kind, upstreams, specs))
    const nodes = specs.slice(0, MAX_NODES)
    const steps = nodes.map((_, i) => drawn[i % drawn.length]?.[2] ?? ['succeed'])
    return { graph: graphOf(nodes), steps, [fc.toStringMethod]: () => describeRun(nodes, steps) }
  })

function describeRun(nodes: readonly NodeSpec[], steps: readonly (readonly Step[])[]): string {
  const lines = nodes.map((spec, i) => {
    const kind = spec.kind === 'task' ? spec.trigger : spec.kind
    return `${spec.key}: ${kind} of [${spec.after.join()}]: ${steps[i]?.join()}`
  })
  return `\n${lines.join('\n')}\n`
}

function nodesOf(kind: string, drawn: readonly number[], before: readonly NodeSpec[]): NodeSpec[] {
  const key = `n${before.length}`
  const chosen = drawn.flatMap((number) => before[number % Math.max(1, before.length)]?.key ?? [])
  const upstreams = [...new Set(chosen)]
  const [x, y] = upstreams
  if (x === undefined || kind === 'task') return [node(key, upstreams)]
  if (kind === 'alert') return [node(key, upstreams, { trigger: 'any_failed' })]
  if (kind === 'gate') return [gate(key, x)]
  if (kind === 'settled') return [settledOf(key, x)]
  if (kind === 'join' && y !== undefined) return [join(key, x, y)]
  return [gate(key, x), node(`${key}-plan`, [key]), join(`${key}-join`, x, `${key}-plan`)]
}

interface Holding {
  readonly ticket: number
  readonly delivery: Delivery
  readonly index: number
  readonly attempt: number
}

/** Executes a run through the driver as unreliable workers would: whatever `choose` says is lost, repeated or late. */
export class UnreliableWorkers {
  readonly #driver: Driver
  readonly #run: RandomRun
  readonly #choose: (choices: number) => number
  /** Jobs that wait for a worker, with how they came to wait. */
  readonly #waiting = new Map<number, 'new' | 'redelivered' | 'retriedByHand'>([[0, 'new']])
  readonly #holding: Holding[] = []
  readonly #grants = new Set<string>()
  readonly #retried = new Set<number>()
  #isOpen = false

  constructor(driver: Driver, run: RandomRun, choose: (choices: number) => number) {
    this.#driver = driver
    this.#run = run
    this.#choose = choose
  }

  /** Goes on until no job waits and no attempt runs. */
  async work(): Promise<void> {
    while (this.#waiting.size + this.#holding.length > 0) {
      const choice = this.#choose(this.#waiting.size + this.#holding.length)
      const ticket = [...this.#waiting.keys()][choice]
      if (ticket !== undefined) await this.#deliver(ticket)
      else await this.#end(choice - this.#waiting.size)
    }
  }

  /** Retries an ended row's node by hand; whatever its steps were, it succeeds now. */
  async pressRetry({ ticket, index }: { ticket: number; index: number }): Promise<void> {
    this.#retried.add(index)
    this.#waiting.set(ticket, 'retriedByHand')
    await this.work()
  }

  async #deliver(ticket: number): Promise<void> {
    const how = this.#waiting.get(ticket)
    this.#waiting.delete(ticket)
    const driver = this.#driver
    const delivery = await driver.deliver(ticket, {
      redelivered: how === 'redelivered',
      retriedByHand: how === 'retriedByHand',
    })
    const claim = () =>
      ticket === 0 && !this.#isOpen ? driver.open(delivery) : driver.claim(delivery)
    const first = await claim()
    // Sometimes the reply was lost, and the move was sent again.
    const answer = this.#choose(4) === 0 ? await claim() : first
    if (answer.status === 'refused') {
      if (answer.reason === 'descendant_started' && how === 'retriedByHand') return
      throw new Error(`a claim was refused: ${answer.reason}`)
    }
    this.#isOpen = true
    if (this.#choose(6) === 0 && !(answer.status === 'granted' && answer.grants.length > 0)) {
      // The worker is lost before it adds what it owes.
      this.#waiting.set(ticket, 'redelivered')
      return
    }
    this.#add(answer.toAdd)
    if (answer.status !== 'granted') return
    const [grant] = answer.grants
    if (!grant) {
      await new Promise((resolve) => setTimeout(resolve, answer.earlyMs))
      this.#waiting.set(ticket, 'new')
      return
    }
    const name = `${grant.index}#${grant.attempt}`
    if (this.#grants.has(name)) throw new Error(`${name} was granted twice`)
    this.#grants.add(name)
    this.#holding.push({ ticket, delivery, index: grant.index, attempt: grant.attempt })
  }

  async #end(position: number): Promise<void> {
    const [held] = this.#holding.splice(position, 1)
    if (!held) return
    const { ticket, delivery, index, attempt } = held
    const steps = this.#retried.has(index) ? [] : (this.#run.steps[index] ?? [])
    const step = steps[attempt - 1] ?? 'succeed'
    if (step === 'crash') {
      await this.#crash(held)
      return
    }
    const key = this.#driver.keyOf(index)
    const outcome = outcomeOf(step, this.#choose)
    const answer = settledAnswer(await this.#driver.settle(delivery, key, outcome, attempt))
    if (Number(await this.#driver.field('l')) < 0)
      throw new Error('more nodes ended than there are')
    if (this.#choose(4) === 0) {
      const again = settledAnswer(await this.#driver.settle(delivery, key, outcome, attempt))
      if (again.rowLeft !== answer.rowLeft) throw new Error(`the repeated settle of ${key} differs`)
    }
    if (this.#choose(4) === 0) {
      // Lost after the settle, before the tickets were added or the job was finished.
      this.#waiting.set(ticket, 'redelivered')
      return
    }
    this.#add(answer.toAdd)
    if (answer.rowLeft === 'more' || answer.rowLeft === 'delayed') this.#waiting.set(ticket, 'new')
  }

  /** The lease is lost; sometimes the worker lives on, and settles after somebody else has the node. */
  async #crash({ ticket, delivery, index, attempt }: Holding): Promise<void> {
    this.#waiting.set(ticket, 'redelivered')
    if (this.#choose(2) === 0) return
    await this.#deliver(ticket)
    const late = await this.#driver.settle(delivery, this.#driver.keyOf(index), success(), attempt)
    if (late.status !== 'refused' || late.reason !== TAKEN_OVER.reason) {
      throw new Error(`a late settle was taken: ${JSON.stringify(late)}`)
    }
  }

  // A job that was added before is not added again, unless it was finished since: then it finds no row.
  #add(tickets: readonly TicketToAdd[]): void {
    const isHeld = (ticket: number) => this.#holding.some((held) => held.ticket === ticket)
    for (const { ticket } of tickets) {
      if (!this.#waiting.has(ticket) && !isHeld(ticket)) this.#waiting.set(ticket, 'new')
    }
  }
}

function outcomeOf(step: Step, choose: (choices: number) => number): Outcome {
  if (step === 'succeed') return success()
  if (step === 'fail') return failure()
  if (step === 'interrupted') return interruption()
  return retryIn(choose(2), choose(3) === 0 ? { queue: 'slow', priority: 1 } : null)
}

/** The tickets whose rows hold only failed nodes, with those nodes. */
export async function endedRows(driver: Driver): Promise<{ ticket: number; index: number }[]> {
  const { nodes } = await driver.read()
  const rows: { ticket: number; index: number }[] = []
  for (const [index, { state }] of nodes.entries()) {
    const packed = state === 'failed' ? await driver.field(`n${index}`) : null
    if (packed !== null) rows.push({ index, ticket: Number(packed.split(':')[2]) })
  }
  return rows
}
