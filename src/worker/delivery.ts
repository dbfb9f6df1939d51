import type {
  ClaimAnswer,
  ClaimRefusal,
  Grant,
  SettleAnswer,
  TicketToAdd,
} from '../coordinator/answers.ts'
import type { Coordinator, Delivery } from '../coordinator/coordinator.ts'
import { readLogLine } from '../coordinator/run-record.ts'
import { messageOf } from '../core/errors.ts'
import type { Hooks } from '../core/hooks.ts'
import type { Logger } from '../core/logger.ts'
import type { CompiledGraph } from '../flow/compile.ts'
import { readTicketData } from '../producer/envelope.ts'
import type { Queues } from '../producer/queues.ts'
import { AttemptAbort, type RunningAttempts } from './aborts.ts'
import { executeAttempt } from './attempt.ts'
import type { AttemptEnd } from './attempt-end.ts'
import type { DeliveredJob } from './delivered-job.ts'
import type { DeliveryEnd } from './delivery-end.ts'
import type { Graphs } from './graphs.ts'
import type { Handlers } from './handlers.ts'
import { openRun } from './open-run.ts'
import type { WorkerSettings } from './options.ts'
import { parseRunOptions } from './run-options.ts'
import { addTickets } from './tickets.ts'
import { RunValues } from './values.ts'

/** What all deliveries of a worker share. */
export interface DeliverySurroundings {
  readonly coordinator: Coordinator
  readonly handlers: Handlers
  readonly graphs: Graphs
  readonly queues: Queues
  readonly settings: WorkerSettings
  readonly running: RunningAttempts
  readonly logger: Logger
  readonly hooks: Hooks
  /** A new lease: unique over all processes and deliveries. */
  newLease(): string
}

const HAND_BACK_MS = 1_000

/**
 * One delivery of a job: claims its ticket, executes what was granted, settles it, adds the tickets that it owes, and
 * says how the job ends. Whatever goes wrong on the way to Redis hands the job back: what was granted is then found by
 * the next claim.
 */
export async function deliver(
  around: DeliverySurroundings,
  job: DeliveredJob,
): Promise<DeliveryEnd> {
  const ticket = readTicketData(job.data)
  const delivery: Delivery = {
    runId: ticket?.run ?? job.runId,
    ticket: ticket?.ticket ?? 0,
    lease: around.newLease(),
    token: job.token,
    lock: around.coordinator.keys.lock(job.queue, job.id),
    seen: job.seen,
  }
  try {
    return await new DeliveryRun(around, job, delivery).run(ticket !== null)
  } catch (error) {
    around.logger.warn(
      { runId: delivery.runId, ticket: delivery.ticket, queue: job.queue, error: messageOf(error) },
      'delivery handed back',
    )
    return { kind: 'later', waitMs: HAND_BACK_MS, why: messageOf(error) }
  }
}

type Granted = Extract<ClaimAnswer, { status: 'granted' }>

class DeliveryRun {
  readonly #around: DeliverySurroundings
  readonly #job: DeliveredJob
  readonly #delivery: Delivery
  readonly #claimSentAt = performance.now()

  constructor(around: DeliverySurroundings, job: DeliveredJob, delivery: Delivery) {
    this.#around = around
    this.#job = job
    this.#delivery = delivery
  }

  async run(isTicket: boolean): Promise<DeliveryEnd> {
    const { coordinator } = this.#around
    if (isTicket) return this.#goOn(await coordinator.claim(this.#delivery, 1))
    if (!this.#job.isFirstDelivery) {
      const claim = await coordinator.claim(this.#delivery, 1)
      const isOpen = claim.status !== 'refused' || !['no_run', 'run_refused'].includes(claim.reason)
      if (isOpen) return this.#goOn(claim)
    }
    const opening = await openRun(
      {
        coordinator,
        handlers: this.#around.handlers,
        unknownTaskTimeoutMs: this.#around.settings.unknownTaskTimeoutMs,
      },
      this.#job,
      this.#delivery,
    )
    if ('end' in opening) return opening.end
    this.#announceOpening(opening.graph)
    return this.#goOn(opening.claim, opening.graph)
  }

  async #goOn(claim: ClaimAnswer, openedWith?: CompiledGraph): Promise<DeliveryEnd> {
    const { graphs } = this.#around
    const { runId } = this.#delivery
    switch (claim.status) {
      case 'refused':
        return refusedEnd(claim.reason)
      case 'nothing':
        if (claim.toAdd.length > 0) {
          await this.#addTickets(openedWith ?? (await graphs.ofRun(runId)), claim.toAdd)
        }
        return { kind: 'completed' }
      case 'ended':
        if (claim.toAdd.length > 0) await this.#addTickets(await graphs.ofRun(runId), claim.toAdd)
        return { kind: 'failed', message: messageOfLogLine(claim.lastLogLine) }
      case 'granted':
        return await this.#execute(claim, await graphs.get(claim.graph))
    }
  }

  async #execute(claim: Granted, graph: CompiledGraph): Promise<DeliveryEnd> {
    const owed = this.#addTickets(graph, claim.toAdd)
    const [grant] = claim.grants
    if (!grant) {
      await owed
      return { kind: 'later', waitMs: claim.earlyMs, why: 'not due yet' }
    }
    const [end] = await Promise.all([this.#attempt(claim, graph, grant), owed])
    return end
  }

  async #attempt(claim: Granted, graph: CompiledGraph, grant: Grant): Promise<DeliveryEnd> {
    const node = graph.graph.nodes[grant.index]
    if (node?.kind !== 'task')
      throw new Error(`node ${grant.index} of the graph ${graph.hash} has no task`)
    const { runId } = this.#delivery
    const { coordinator, hooks, running, settings } = this.#around
    const receivedAt = performance.now()
    if (receivedAt - this.#claimSentAt >= settings.leaseMs) {
      throw new Error('the answer to the claim took longer than the lease')
    }
    const values = await RunValues.of(coordinator, runId, graph, claim)
    const abort = new AttemptAbort()
    const info = {
      runId,
      flow: graph.graph.flow,
      node: node.key,
      task: node.task,
      attempt: grant.attempt,
      queue: this.#job.queue,
    }
    running.add(this.#job.id, abort)
    hooks.onAttemptStarted?.(info)
    let end: AttemptEnd
    try {
      end = await executeAttempt(this.#around, {
        runId,
        graph,
        node,
        grant,
        options: parseRunOptions(claim.options),
        values,
        openedAt: claim.openedAt,
        receivedAt,
        abort,
      })
    } finally {
      running.remove(this.#job.id, abort)
    }
    if (!end) return { kind: 'lost' }
    const dependants = graph.dependants[grant.index] ?? ''
    const answer = await coordinator.settle(
      this.#delivery,
      grant.index,
      grant.attempt,
      dependants,
      end.outcome,
    )
    if (answer.status === 'refused') {
      hooks.onRefused?.({ ...info, answer: answer.reason })
      throw new Error(`the settle of ${node.key} was refused: ${answer.reason}`)
    }
    const durationMs = performance.now() - receivedAt
    hooks.onAttemptEnded?.({ ...info, durationMs, failure: end.failure, decision: end.decision })
    if (answer.runEnd) hooks.onRunEnded?.({ runId, flow: info.flow, state: answer.runEnd })
    await this.#addTickets(graph, answer.toAdd)
    return settledEnd(answer, end)
  }

  async #addTickets(graph: CompiledGraph, tickets: readonly TicketToAdd[]): Promise<void> {
    if (tickets.length > 0) {
      await addTickets(this.#around.queues, this.#delivery.runId, graph, tickets)
    }
  }

  #announceOpening(graph: CompiledGraph): void {
    const { runId } = this.#delivery
    const { logger, hooks } = this.#around
    const { flow } = graph.graph
    logger.debug({ runId, flow, queue: this.#job.queue, jobId: this.#job.id }, 'run opened')
    hooks.onRunOpened?.({ runId, flow })
  }
}

function settledEnd(
  { rowLeft, waitMs, lastLogLine }: Extract<SettleAnswer, { status: 'settled' }>,
  end: NonNullable<AttemptEnd>,
): DeliveryEnd {
  switch (rowLeft) {
    case 'empty':
      return { kind: 'completed' }
    case 'failed':
      return { kind: 'failed', message: messageOfLogLine(lastLogLine) }
    case 'delayed':
      return end.failure
        ? { kind: 'retrying', waitMs, message: end.failure.error.message }
        : { kind: 'later', waitMs, why: 'no handler yet' }
    case 'more':
      return { kind: 'later', waitMs: 0, why: 'handed back with a ready node' }
  }
}

function refusedEnd(reason: ClaimRefusal): DeliveryEnd {
  switch (reason) {
    case 'lease':
      return { kind: 'lost' }
    case 'descendant_started':
      return {
        kind: 'failed',
        message:
          'this node can’t be retried in place: a node that depends on it has started. Rerun the run from the failure instead',
      }
    case 'no_run':
    case 'run_expired':
    case 'run_refused':
      return {
        kind: 'failed',
        message: `the state of this run is gone (${reason}): its retention is over`,
      }
    case 'no_graph':
      return { kind: 'later', waitMs: HAND_BACK_MS, why: 'the graph could not be stored' }
  }
}

function messageOfLogLine(line: string): string {
  if (line === '') return 'failed'
  return readLogLine(line, 0).error?.message ?? 'failed'
}
