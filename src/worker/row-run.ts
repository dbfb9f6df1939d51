import type {
  ClaimAnswer,
  Grant,
  Place,
  RowLeft,
  SettleAnswer,
  TicketToAdd,
} from '../coordinator/answers.ts'
import {
  type Delivery,
  type GoOn,
  type OpenedRun,
  type Outcome,
  STOP,
} from '../coordinator/moves.ts'
import { nodeKey } from '../coordinator/run-instances.ts'
import { messageOf } from '../core/errors.ts'
import type { Failure } from '../core/failure.ts'
import type { AttemptInfo } from '../core/hooks.ts'
import { calleeOf, isWorkNode, type MapNode, type WorkNode } from '../flow/graph.ts'
import { templateOf } from '../flow/instances.ts'
import type { StoredRunOptions } from '../producer/envelope.ts'
import { addTickets, DEFAULT_PLACE } from '../producer/tickets.ts'
import { AttemptAbort, AttemptAborted } from './aborts.ts'
import type { Attempt } from './attempt.ts'
import { type AttemptEnd, interrupted } from './attempt-end.ts'
import { executeChildRun } from './child-run.ts'
import { companySize, MAX_COMPANY } from './company.ts'
import type { DeliveredJob } from './delivered-job.ts'
import type { DeliverySurroundings } from './delivery.ts'
import { executeAttempt } from './execute-attempt.ts'
import { makeItems } from './expansion.ts'
import type { KnownGraph } from './graphs.ts'
import { Lanes } from './lanes.ts'
import { isRetried } from './open-run.ts'
import type { Permits } from './permits.ts'
import { parseRunOptions } from './run-options.ts'
import { RunValues } from './values.ts'

/** How a row is left when everything that was granted of it has been settled. */
export type RowEnd =
  | { readonly kind: 'empty' }
  | { readonly kind: 'failed'; readonly lastLogLine: string }
  | { readonly kind: 'retrying'; readonly waitMs: number; readonly message: string }
  | { readonly kind: 'waiting'; readonly waitMs: number }
  /** Ready or waiting nodes are left: claim again. */
  | { readonly kind: 'more' }
  /** The run was cancelled. */
  | { readonly kind: 'cancelled' }
  /** The lease is somebody else's. */
  | { readonly kind: 'lost' }

/** How long one delivery may go on with nodes that its own settles made ready (R5). */
const CONTINUATION = { maxTasks: 100, maxMs: 2_000 } as const

type Granted = Extract<ClaimAnswer, { status: 'granted' }>
type Settled = Extract<SettleAnswer, { status: 'settled' }>

/** A granted attempt that no handler was called for yet. Times are of this process' monotonic clock. */
interface Awaiting {
  readonly grant: Grant
  readonly node: WorkNode | MapNode
  /** When the move was sent that granted it. */
  readonly sentAt: number
  readonly receivedAt: number
}

/** What differs from attempt to attempt. */
interface AttemptCall {
  /** The key that the node has in its run. */
  readonly key: string
  readonly grant: Grant
  readonly receivedAt: number
  readonly abort: AttemptAbort
}

/** An attempt that has ended. */
interface Executed {
  readonly grant: Grant
  /** What hooks are told; null for a map, which has no handler. */
  readonly info: AttemptInfo | null
  readonly end: AttemptEnd
  readonly durationMs: number
}

/**
 * Executes the attempts that one claim granted, and those that their settles grant in turn: a worker goes on with a
 * ready node without the queue (continuation), and with all nodes of a company. What ends in one tick is settled in one
 * move.
 */
export class RowRun {
  readonly #around: DeliverySurroundings
  readonly #job: DeliveredJob
  readonly #delivery: Delivery
  readonly #permits: Permits
  readonly #graph: KnownGraph
  readonly #claim: Granted
  readonly #run: OpenedRun
  readonly #options: StoredRunOptions
  readonly #place: Place
  readonly #values: RunValues
  readonly #startedAt = performance.now()
  readonly #lanes: Lanes<Awaiting>
  readonly #owed: Promise<void>[] = []
  #executed = 0
  #isLate: boolean = false
  #problem: unknown
  #end: RowEnd = { kind: 'more' }

  constructor(
    around: DeliverySurroundings,
    job: DeliveredJob,
    delivery: Delivery,
    permits: Permits,
    graph: KnownGraph,
    claim: Granted,
  ) {
    this.#around = around
    this.#job = job
    this.#delivery = delivery
    this.#permits = permits
    this.#graph = graph
    this.#claim = claim
    this.#run = { graph: graph.graph, openedAt: claim.openedAt }
    this.#options = parseRunOptions(claim.options)
    this.#place = claim.place ?? DEFAULT_PLACE
    this.#values = new RunValues(around.coordinator, delivery.runId, graph.graph)
    this.#lanes = new Lanes(permits, async (awaiting) => ({
      followUp: this.#conclude(await this.#execute(awaiting)),
    }))
  }

  /**
   * `held`: the permits that it takes over, one at least; all but one go back. `sentAt`: when the claim was sent. Nothing
   * is started when that is as long ago as the lease lasts, nor once the worker closes: such grants are given back as
   * interrupted, at no cost.
   *
   * @throws when a settle was refused or could not be asked for: the job is to be handed back
   */
  async run(grants: readonly Grant[], held: number, sentAt: number): Promise<RowEnd> {
    let awaiting: Awaiting[]
    try {
      await this.#values.add(this.#claim.values, this.#claim.input)
      awaiting = this.#awaitingOf(grants, sentAt)
    } catch (error) {
      this.#permits.release(held - 1)
      throw error
    }
    await this.#lanes.run(awaiting, held)
    if (this.#problem !== undefined) throw this.#problem
    await Promise.all(this.#owed)
    return this.#end
  }

  #awaitingOf(grants: readonly Grant[], sentAt: number): Awaiting[] {
    const receivedAt = performance.now()
    return grants.map((grant) => {
      const node = this.#graph.graph.graph.nodes[templateOf(grant.index)]
      if (!isWorkNode(node) && node?.kind !== 'map') {
        throw new Error(`no worker executes node ${grant.index} of the graph`)
      }
      return { grant, node, sentAt, receivedAt }
    })
  }

  /** One attempt, from its grant to its end. */
  async #execute({ grant, node, sentAt, receivedAt }: Awaiting): Promise<Executed> {
    const startedAt = performance.now()
    if (startedAt - sentAt >= this.#around.settings.leaseMs) this.#isLate = true
    if (node.kind === 'map') {
      const end = await this.#mapAttempt(node, grant)
      return { grant, info: null, end, durationMs: performance.now() - startedAt }
    }
    const key = node.map === undefined ? node.key : await this.#keyOf(node, grant)
    const info = this.#describe(node, key, grant)
    this.#around.hooks.onAttemptStarted?.(info)
    const end = await this.#attempt(node, key, grant, receivedAt)
    return { grant, info, end, durationMs: performance.now() - startedAt }
  }

  /** The key that a node has in the run; the graph's own if Redis can't be read, which the attempt finds too. */
  async #keyOf(template: WorkNode, { index }: Grant): Promise<string> {
    const { graph } = this.#graph
    const at = graph.instances.locate(index)
    try {
      const keys = await this.#values.itemKeys(at)
      return nodeKey(graph, at, (item) => keys.get(item) ?? null)
    } catch (error) {
      this.#problem ??= error
      return template.key
    }
  }

  /** Settles an attempt's end. It never rejects: whatever goes wrong is the row's problem. */
  async #conclude({ grant, info, end, durationMs }: Executed): Promise<void> {
    if (!end) return this.#stop({ kind: 'lost' })
    const { hooks, durations } = this.#around
    const { outcome, failure, decision, lock } = end
    const wasAttempted = hasEnded(outcome)
    if (wasAttempted && info) durations.record(info.task, durationMs)
    try {
      const sentAt = performance.now()
      const settled = this.#settle(grant, outcome)
      // Before anything goes on that may need the lock too; also if the settle fails, since the handler has ended.
      const answer = await (lock ? settled.finally(() => this.#owe(lock.release())) : settled)
      if (answer.status === 'refused') {
        if (info) hooks.onRefused?.({ ...info, answer: answer.reason })
        if (answer.reason === 'cancelled') return this.#stop({ kind: 'cancelled' })
        throw new Error(`the settle of ${info?.node ?? 'a map'} was refused: ${answer.reason}`)
      }
      if (outcome.kind === 'parked' && info) {
        hooks.onAttemptParked?.({ ...info, waitsFor: outcome.cause.waitsFor })
      }
      if (outcome.kind === 'awaiting' && info) {
        hooks.onAttemptParked?.({ ...info, waitsFor: 'child' })
      }
      if (wasAttempted && info) hooks.onAttemptEnded?.({ ...info, durationMs, failure, decision })
      if (answer.runEnd) {
        const { flow } = this.#graph.graph.graph
        hooks.onRunEnded?.({ runId: this.#delivery.runId, flow, state: answer.runEnd })
      }
      if (answer.runEnd === 'failed') this.#retryRun()
      await this.#afterSettle(answer, end, sentAt)
    } catch (error) {
      this.#problem ??= error
    }
  }

  /** Nothing more is started: the nodes are somebody else's, or nobody's. */
  #stop(end: RowEnd): void {
    this.#end = end
    this.#lanes.clear()
  }

  /** Why no attempt may begin any more. */
  #notStarted(): NonNullable<AttemptEnd> | null {
    if (this.#isLate) return interrupted(notStarted('the grant came too late'))
    if (this.#problem !== undefined) return interrupted(notStarted('the row was handed back'))
    return this.#around.isClosing() ? interrupted(notStarted('the worker is shutting down')) : null
  }

  async #mapAttempt(node: MapNode, grant: Grant): Promise<AttemptEnd> {
    const { coordinator } = this.#around
    try {
      return await makeItems({
        ...{ node, grant, coordinator, delivery: this.#delivery, run: this.#run },
        values: this.#values,
        companySize: (tasks) => companySize(this.#around, tasks, this.#options),
        mayGoOn: () => this.#notStarted(),
        onMade: (toAdd) => this.#addTickets(toAdd),
      })
    } catch (error) {
      this.#problem ??= error
      return interrupted(notStarted(`the items could not be made: ${messageOf(error)}`))
    }
  }

  async #attempt(
    template: WorkNode,
    key: string,
    grant: Grant,
    receivedAt: number,
  ): Promise<AttemptEnd> {
    const stopped = this.#notStarted()
    if (stopped) return stopped
    const { running } = this.#around
    const abort = new AttemptAbort()
    running.add(this.#job.name, abort)
    try {
      const call = { key, grant, receivedAt, abort }
      return template.kind === 'task'
        ? await executeAttempt(this.#around, this.#attemptOf(template, call))
        : await executeChildRun(this.#around, this.#attemptOf(template, call))
    } catch (error) {
      // Nothing was executed, because Redis could not be read: the grant goes back at no cost, and the job after it.
      this.#problem ??= error
      return interrupted(notStarted(`Redis could not be read: ${messageOf(error)}`))
    } finally {
      running.remove(this.#job.name, abort)
    }
  }

  #attemptOf<Node extends WorkNode>(
    template: Node,
    { key, grant, receivedAt, abort }: AttemptCall,
  ): Attempt & { readonly template: Node; readonly node: Node } {
    return {
      runId: this.#delivery.runId,
      delivery: this.#delivery,
      graph: this.#graph.graph,
      template,
      node: key === template.key ? template : { ...template, key },
      grant,
      options: this.#options,
      values: this.#values,
      openedAt: this.#claim.openedAt,
      place: { queue: this.#job.queue, priority: this.#job.priority },
      receivedAt,
      abort,
    }
  }

  #settle({ index, attempt }: Grant, outcome: Outcome): Promise<SettleAnswer> {
    if (outcome.kind === 'succeeded') this.#values.addResult(index, outcome.result)
    this.#executed += 1
    const { coordinator } = this.#around
    return coordinator.settle(this.#delivery, this.#run, index, attempt, outcome, this.#goOn(index))
  }

  /** What may go on after a node: ready nodes of its place. What the row holds is granted as a whole. */
  #goOn(index: number): GoOn {
    if (this.#isLate || this.#problem !== undefined || this.#around.isClosing()) return STOP
    const mayContinue =
      this.#graph.isComplete &&
      this.#executed < CONTINUATION.maxTasks &&
      performance.now() - this.#startedAt < CONTINUATION.maxMs
    const template = templateOf(index)
    const place = mayContinue ? (this.#graph.graph.places[template] ?? -1) : -1
    const grain = companySize(this.#around, this.#graph.next[template] ?? [], this.#options)
    return { place, grain, slots: MAX_COMPANY }
  }

  async #afterSettle(
    { rowLeft, waitMs, lastLogLine, toAdd, values, grants }: Settled,
    { failure }: NonNullable<AttemptEnd>,
    sentAt: number,
  ): Promise<void> {
    this.#end = rowEndOf(rowLeft, waitMs, lastLogLine, failure)
    this.#addTickets(toAdd)
    if (values.length > 0) await this.#values.add(values)
    if (grants.length > 0) this.#lanes.add(this.#awaitingOf(grants, sentAt))
  }

  #addTickets(toAdd: readonly TicketToAdd[]): void {
    if (toAdd.length === 0) return
    const run = { runId: this.#delivery.runId, graph: this.#graph.graph, place: this.#place }
    this.#owe(addTickets(this.#around, run, toAdd))
  }

  #retryRun(): void {
    if (isRetried(this.#options)) this.#owe(this.#around.runRetries.perform(this.#delivery.runId))
  }

  /** What the delivery does before it ends. */
  #owe(duty: Promise<void>): void {
    // Failing to do it is found at the end of the delivery; until then nobody else listens.
    duty.catch(() => {})
    this.#owed.push(duty)
  }

  #describe(node: WorkNode, key: string, { attempt }: Grant): AttemptInfo {
    return {
      runId: this.#delivery.runId,
      flow: this.#graph.graph.graph.flow,
      node: key,
      task: calleeOf(node),
      attempt,
      queue: this.#job.queue,
    }
  }
}

/** False for a grant that was given back, and for an attempt that goes on later. */
function hasEnded({ kind }: Outcome): boolean {
  return kind !== 'parked' && kind !== 'condition_false' && kind !== 'awaiting'
}

/** Why a grant is given back that no handler was called for. */
function notStarted(why: string): AttemptAborted {
  return new AttemptAborted('shutdown', why)
}

function rowEndOf(
  rowLeft: RowLeft,
  waitMs: number,
  lastLogLine: string,
  failure: Failure | null,
): RowEnd {
  switch (rowLeft) {
    case 'empty':
      return { kind: 'empty' }
    case 'failed':
      return { kind: 'failed', lastLogLine }
    case 'more':
      return { kind: 'more' }
    case 'delayed':
      return failure
        ? { kind: 'retrying', waitMs, message: failure.error.message }
        : { kind: 'waiting', waitMs }
  }
}
