import type {
  ClaimAnswer,
  Grant,
  Place,
  SettleAnswer,
  SettleRefusal,
  TicketToAdd,
} from '../coordinator/answers.ts'
import { type Delivery, type GoOn, type OpenedRun, STOP } from '../coordinator/coordinator.ts'
import { nodeKey } from '../coordinator/run-instances.ts'
import { messageOf } from '../core/errors.ts'
import type { AttemptInfo } from '../core/hooks.ts'
import type { MapNode, TaskNode } from '../flow/graph.ts'
import { templateOf } from '../flow/instances.ts'
import { AttemptAbort, AttemptAborted } from './aborts.ts'
import { executeAttempt } from './attempt.ts'
import { type AttemptEnd, expanded, interrupted } from './attempt-end.ts'
import type { DeliveredJob } from './delivered-job.ts'
import type { DeliverySurroundings } from './delivery.ts'
import { chunkFrom, evaluateItems } from './expansion.ts'
import type { KnownGraph } from './graphs.ts'
import type { Permits } from './permits.ts'
import { parseRunOptions } from './run-options.ts'
import { addTickets, DEFAULT_PLACE } from './tickets.ts'
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

/**
 * Executes the attempts that one claim granted, and those that their settles grant in turn: a worker goes on with a
 * ready node without the queue (continuation), and runs short ones side by side (companies).
 */
export class RowRun {
  readonly #around: DeliverySurroundings
  readonly #job: DeliveredJob
  readonly #delivery: Delivery
  readonly #permits: Permits
  readonly #graph: KnownGraph
  readonly #claim: Granted
  readonly #run: OpenedRun
  readonly #place: Place
  readonly #values: RunValues
  readonly #startedAt = performance.now()
  readonly #adding: Promise<void>[] = []
  #executed = 0
  #isLate: boolean = false
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
    this.#place = claim.place ?? DEFAULT_PLACE
    this.#values = new RunValues(around.coordinator, delivery.runId, graph.graph)
  }

  /**
   * `held`: the permits that it takes over; all but one go back. They are fewer than the grants if an answer was lost
   * that had granted more. `isLate`: the claim's answer took longer than the lease. Nothing is started then, nor once the
   * worker closes: the grants are given back as interrupted, at no cost.
   *
   * @throws when a settle was refused or could not be asked for: the job is to be handed back
   */
  async run(grants: readonly Grant[], held: number, isLate: boolean): Promise<RowEnd> {
    this.#isLate = isLate
    let unpaid = grants.length - held
    let running = grants.length
    let problem: unknown
    const follow = async (grant: Grant): Promise<void> => {
      try {
        for (let next: Grant | undefined = grant; next; ) {
          const [first, ...others]: readonly Grant[] = await this.#step(next)
          running += others.length
          for (const other of others) followers.push(follow(other))
          next = first
        }
      } catch (error) {
        problem ??= error
      } finally {
        running -= 1
        // The last permit stays with the delivery.
        if (running > 0 && unpaid === 0) this.#permits.release()
        else if (running > 0) unpaid -= 1
      }
    }
    const followers: Promise<void>[] = []
    try {
      await this.#values.add(this.#claim.values, this.#claim.input)
    } catch (error) {
      this.#permits.release(held - 1)
      throw error
    }
    for (const grant of grants) followers.push(follow(grant))
    for (let i = 0; i < followers.length; i++) await followers[i]
    if (problem !== undefined) throw problem
    await Promise.all(this.#adding)
    return this.#end
  }

  /** One attempt, from its grant to its settle. Returns the attempts that were granted to go on with. */
  async #step(grant: Grant): Promise<readonly Grant[]> {
    const template = this.#graph.graph.graph.nodes[templateOf(grant.index)]
    if (template?.kind === 'map') return await this.#expand(template, grant)
    if (template?.kind !== 'task') throw new Error(`node ${grant.index} of the graph has no task`)
    const node = await this.#instanceOf(template, grant)
    const info = this.#describe(node, grant)
    const { hooks, durations } = this.#around
    const startedAt = performance.now()
    hooks.onAttemptStarted?.(info)
    const end = await this.#attempt(node, template, grant, startedAt)
    if (!end) {
      this.#end = { kind: 'lost' }
      return []
    }
    const durationMs = performance.now() - startedAt
    const { outcome, failure, decision } = end
    const wasAttempted = outcome.kind !== 'parked' && outcome.kind !== 'condition_false'
    if (wasAttempted) durations.record(node.task, durationMs)
    const answer = await this.#settle(grant, end)
    if (answer.status === 'refused') {
      hooks.onRefused?.({ ...info, answer: answer.reason })
      return this.#refused(node.key, answer.reason)
    }
    if (outcome.kind === 'parked') {
      hooks.onAttemptParked?.({ ...info, waitsFor: outcome.cause.waitsFor })
    }
    if (wasAttempted) hooks.onAttemptEnded?.({ ...info, durationMs, failure, decision })
    if (answer.runEnd) {
      hooks.onRunEnded?.({ runId: info.runId, flow: info.flow, state: answer.runEnd })
    }
    return await this.#afterSettle(answer, end)
  }

  /** Why nothing may be started any more. */
  #stopped(): AttemptEnd {
    if (this.#isLate) return interrupted(new AttemptAborted('shutdown', 'the grant came too late'))
    return this.#around.isClosing()
      ? interrupted(new AttemptAborted('shutdown', 'the worker is shutting down'))
      : null
  }

  async #attempt(
    node: TaskNode,
    template: TaskNode,
    grant: Grant,
    receivedAt: number,
  ): Promise<AttemptEnd> {
    const stopped = this.#stopped()
    if (stopped) return stopped
    const { running } = this.#around
    const abort = new AttemptAbort()
    running.add(this.#job.name, abort)
    try {
      return await executeAttempt(this.#around, {
        runId: this.#delivery.runId,
        graph: this.#graph.graph,
        node,
        template,
        grant,
        options: parseRunOptions(this.#claim.options),
        values: this.#values,
        openedAt: this.#claim.openedAt,
        place: { queue: this.#job.queue, priority: this.#job.priority },
        receivedAt,
        abort,
      })
    } catch (error) {
      return await this.#giveBack(grant, error)
    } finally {
      running.remove(this.#job.name, abort)
    }
  }

  /** Nothing was executed, because Redis could not be read: the grant goes back at no cost, and the job after it. */
  async #giveBack(grant: Grant, error: unknown): Promise<never> {
    const unread = new AttemptAborted('shutdown', `Redis could not be read: ${messageOf(error)}`)
    await this.#settle(grant, interrupted(unread), STOP)
    throw error
  }

  /** The node with the key that it has in the run. */
  async #instanceOf(template: TaskNode, grant: Grant): Promise<TaskNode> {
    if (template.map === undefined) return template
    const { graph } = this.#graph
    const at = graph.instances.locate(grant.index)
    try {
      const keys = await this.#values.itemKeys(at)
      return { ...template, key: nodeKey(graph, at, (item) => keys.get(item) ?? null) }
    } catch (error) {
      return await this.#giveBack(grant, error)
    }
  }

  /** The attempt of a map: it makes the nodes of its items, in chunks (R25). */
  async #expand(node: MapNode, grant: Grant): Promise<readonly Grant[]> {
    const end = await this.#makeItems(node, grant)
    if (!end) return []
    const answer = await this.#settle(grant, end)
    if (answer.status === 'refused') return this.#refused(node.key, answer.reason)
    return await this.#afterSettle(answer, end)
  }

  /** Null if the run was cancelled meanwhile. */
  async #makeItems(node: MapNode, grant: Grant): Promise<AttemptEnd> {
    const stopped = this.#stopped()
    if (stopped) return stopped
    const expansion = await evaluateItems(this.#graph.graph, node, grant.index, this.#values).catch(
      (error: unknown) => this.#giveBack(grant, error),
    )
    if ('end' in expansion) return expansion.end
    const { roots } = this.#graph.graph.instances.body(templateOf(grant.index))
    const grain = this.#around.durations.grainFor(roots.map((root) => this.#taskOf(root)))
    const { coordinator } = this.#around
    for (let made = 0; made < expansion.items.length; ) {
      const chunk = { ...chunkFrom(expansion.items, made), grain }
      const answer = await coordinator.expand(this.#delivery, this.#run, grant, chunk)
      if (answer.status === 'refused') {
        this.#refused(node.key, answer.reason)
        return null
      }
      made = answer.made
      this.#add(answer.toAdd)
      const closing = this.#stopped()
      if (closing) return closing
    }
    return expanded()
  }

  #taskOf(index: number): string {
    const node = this.#graph.graph.graph.nodes[index]
    return node?.kind === 'task' ? node.task : ''
  }

  async #settle(
    { index, attempt }: Grant,
    { outcome }: NonNullable<AttemptEnd>,
    goOn = this.#goOn(index),
  ): Promise<SettleAnswer> {
    if (outcome.kind === 'succeeded') this.#values.addResult(index, outcome.result)
    this.#executed += 1
    let used = 0
    try {
      const answer = await this.#around.coordinator.settle(
        this.#delivery,
        this.#run,
        index,
        attempt,
        outcome,
        goOn,
      )
      if (answer.status === 'settled') used = answer.grants.length
      return answer
    } finally {
      // The first grant takes over this attempt's own permit.
      const extra = Math.max(0, goOn.slots - 1)
      this.#permits.release(Math.max(0, extra - Math.max(0, used - 1)))
    }
  }

  /** A cancelled run ends the delivery; anything else hands the job back. */
  #refused(key: string, reason: SettleRefusal): readonly Grant[] {
    if (reason !== 'cancelled') throw new Error(`the settle of ${key} was refused: ${reason}`)
    this.#end = { kind: 'cancelled' }
    return []
  }

  /** What may go on after a node: ready nodes of its place, as many at once as there are free handlers. */
  #goOn(index: number): GoOn {
    const { durations } = this.#around
    if (this.#isLate || this.#around.isClosing()) return STOP
    const template = templateOf(index)
    const next = this.#graph.nextTasks[template] ?? []
    const grain = durations.grainFor(next)
    const mayContinue =
      this.#graph.isComplete &&
      this.#executed < CONTINUATION.maxTasks &&
      performance.now() - this.#startedAt < CONTINUATION.maxMs
    const extra = mayContinue ? this.#permits.tryTake(Math.min(next.length, grain) - 1) : 0
    const place = mayContinue ? (this.#graph.graph.places[template] ?? -1) : -1
    return { place, grain, slots: 1 + extra }
  }

  async #afterSettle(answer: Settled, end: NonNullable<AttemptEnd>): Promise<readonly Grant[]> {
    this.#end = rowEndOf(answer, end)
    this.#add(answer.toAdd)
    if (answer.values.length > 0) await this.#values.add(answer.values)
    return answer.grants
  }

  #add(tickets: readonly TicketToAdd[]): void {
    if (tickets.length === 0) return
    const { queues } = this.#around
    const { graph } = this.#graph
    const adding = addTickets(queues, this.#delivery.runId, graph, this.#place, tickets)
    // Failing to add is found at the end of the delivery; until then nobody else listens.
    adding.catch(() => {})
    this.#adding.push(adding)
  }

  #describe(node: TaskNode, { attempt }: Grant): AttemptInfo {
    return {
      runId: this.#delivery.runId,
      flow: this.#graph.graph.graph.flow,
      node: node.key,
      task: node.task,
      attempt,
      queue: this.#job.queue,
    }
  }
}

function rowEndOf(
  { rowLeft, waitMs, lastLogLine }: Settled,
  { failure }: NonNullable<AttemptEnd>,
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
