import type { ClaimAnswer, ClaimRefusal, TicketToAdd } from '../coordinator/answers.ts'
import type { Coordinator } from '../coordinator/coordinator.ts'
import type { Delivery, Slots } from '../coordinator/moves.ts'
import type { Reruns } from '../coordinator/reruns.ts'
import type { RunReader } from '../coordinator/run-reader.ts'
import { readLogLine } from '../coordinator/run-record.ts'
import type { SharedLimits } from '../coordinator/shared-limits.ts'
import { messageOf } from '../core/errors.ts'
import type { Hooks } from '../core/hooks.ts'
import type { Logger } from '../core/logger.ts'
import { readTicketData, type TicketData } from '../producer/envelope.ts'
import type { Queues } from '../producer/queues.ts'
import { addTickets, addTicketsOf, DEFAULT_PLACE } from '../producer/tickets.ts'
import type { PolicyRegistry } from '../strategies/policy-registry.ts'
import type { RunningAttempts } from './aborts.ts'
import { MAX_COMPANY } from './company.ts'
import type { DeliveredJob } from './delivered-job.ts'
import type { DeliveryEnd } from './delivery-end.ts'
import type { Graphs, KnownGraph } from './graphs.ts'
import type { Handlers } from './handlers.ts'
import type { Locks } from './locks.ts'
import { openRerun } from './open-rerun.ts'
import { openRun } from './open-run.ts'
import type { WorkerSettings } from './options.ts'
import type { Permits } from './permits.ts'
import { type RowEnd, RowRun } from './row-run.ts'
import type { RunRetries } from './run-retries.ts'
import type { TaskDurations } from './task-durations.ts'

/** What all deliveries of a worker share. */
export interface DeliverySurroundings {
  readonly coordinator: Coordinator
  readonly reruns: Reruns
  readonly runRetries: RunRetries
  readonly sharedLimits: SharedLimits
  readonly locks: Locks
  readonly handlers: Handlers
  readonly policies: PolicyRegistry
  readonly graphs: Graphs
  /** Reads runs whole: those that nodes have waited for. */
  readonly reader: RunReader
  readonly queues: Queues
  readonly settings: WorkerSettings
  readonly running: RunningAttempts
  readonly durations: TaskDurations
  /** One permit: a process runs at most one node at a time that was lost twice (R6). */
  readonly isolation: Permits
  readonly logger: Logger
  readonly hooks: Hooks
  /** A new lease: unique over all processes and deliveries. */
  newLease(): string
  /** Grows with every new connection to Redis. */
  connectionNumber(): number
  /** True from the moment the worker closes: nothing new is started. */
  isClosing(): boolean
}

const HAND_BACK_MS = 1_000

/**
 * One delivery of a job: claims its ticket, executes what was granted, settles it, adds the tickets that it owes, and
 * says how the job ends. Whatever goes wrong on the way to Redis hands the job back: what was granted is then found by
 * the next claim. `permits`: the handlers that this process may run at once in the job's queue.
 */
export async function deliver(
  around: DeliverySurroundings,
  job: DeliveredJob,
  permits: Permits,
): Promise<DeliveryEnd> {
  // BullMQ tracks locks by job id: two deliveries of one job in one process would lose their locks to one another.
  if (around.running.loseLease(job.name)) {
    return { kind: 'later', waitMs: HAND_BACK_MS, why: 'its earlier delivery still runs here' }
  }
  const ticket = readTicketData(job.data)
  const delivery: Delivery = {
    runId: ticket?.run ?? job.runId,
    ticket: ticket?.ticket ?? 0,
    lease: around.newLease(),
    token: job.token,
    job: around.coordinator.keys.job(job.queue, job.id),
    started: job.started,
    size: ticket?.size ?? 1,
    seen: job.seen,
  }
  try {
    return await new DeliveryRun(around, job, delivery, permits).run(ticket)
  } catch (error) {
    around.logger.warn(
      { runId: delivery.runId, ticket: delivery.ticket, queue: job.queue, error: messageOf(error) },
      'delivery handed back',
    )
    return { kind: 'later', waitMs: HAND_BACK_MS, why: messageOf(error) }
  }
}

type Granted = Extract<ClaimAnswer, { status: 'granted' }>
type Ended = Extract<ClaimAnswer, { status: 'ended' }>

/** The life of one delivery: it holds handler permits, and the isolation permit if one of its nodes needs it. */
class DeliveryRun {
  readonly #around: DeliverySurroundings
  readonly #job: DeliveredJob
  readonly #delivery: Delivery
  readonly #permits: Permits
  #held = 0
  #isolated: boolean = false
  #claimSentAt = 0

  constructor(
    around: DeliverySurroundings,
    job: DeliveredJob,
    delivery: Delivery,
    permits: Permits,
  ) {
    this.#around = around
    this.#job = job
    this.#delivery = delivery
    this.#permits = permits
  }

  async run(ticket: TicketData | null): Promise<DeliveryEnd> {
    await this.#permits.acquire()
    this.#held = 1 + this.#permits.tryTake((ticket?.size ?? 1) - 1)
    try {
      for (;;) {
        const connection = this.#around.connectionNumber()
        const end = await this.#serveToEnd(ticket)
        // Redis may have lost its tail while the connection was away, and the run with it (R22): before the job goes, it
        // is asked once more.
        const isSure = connection === this.#around.connectionNumber()
        if (isSure || (end.kind !== 'completed' && end.kind !== 'failed')) return end
      }
    } finally {
      this.#permits.release(this.#held)
      if (this.#isolated) this.#around.isolation.release()
    }
  }

  async #serveToEnd(ticket: TicketData | null): Promise<DeliveryEnd> {
    for (let claim = await this.#firstClaim(ticket); ; claim = await this.#claim()) {
      const end = 'status' in claim ? await this.#serve(claim) : claim
      if (end) return end
    }
  }

  #claim(): Promise<ClaimAnswer> {
    this.#claimSentAt = performance.now()
    return this.#around.coordinator.claim(this.#delivery, this.#slots())
  }

  #slots(): Slots {
    // A worker that closes still asks for what was granted to it: the answer to a settle may have been lost.
    return { free: this.#around.isClosing() ? 0 : MAX_COMPANY, isolated: this.#isolated }
  }

  async #firstClaim(ticket: TicketData | null): Promise<ClaimAnswer | DeliveryEnd> {
    if (ticket) return await this.#claim()
    if (!this.#job.isFirstDelivery) {
      const claim = await this.#claim()
      const isUnknown =
        claim.status === 'refused' && (claim.reason === 'no_run' || claim.reason === 'run_refused')
      if (!isUnknown) return claim
    }
    this.#claimSentAt = performance.now()
    return await openRun(this.#around, this.#job, this.#delivery, this.#slots())
  }

  /** Does what a claim allows. Returns how the delivery ends, or null to claim again: ready nodes are left. */
  async #serve(claim: ClaimAnswer): Promise<DeliveryEnd | null> {
    switch (claim.status) {
      case 'refused':
        if (claim.reason === 'creating') return await this.#openRerun()
        // Nothing is left of a ticket whose run is gone: a failed job would keep its id, should Redis' tail come again.
        if (claim.reason === 'no_run' && this.#delivery.ticket > 0) return { kind: 'completed' }
        return refusedEnd(claim.reason)
      case 'nothing':
        await this.#addOwed(claim.toAdd)
        return { kind: 'completed' }
      case 'ended':
        await this.#addOwed(claim.toAdd)
        await this.#announceEnd(claim)
        // It may have ended the run, and whoever did so before may have died before its retry was made.
        await this.#around.runRetries.perform(this.#delivery.runId)
        return { kind: 'failed', message: messageOfLogLine(claim.lastLogLine) }
      case 'granted':
        return await this.#execute(claim, await this.#around.graphs.get(claim.graph))
    }
  }

  async #openRerun(): Promise<DeliveryEnd | null> {
    this.#claimSentAt = performance.now()
    const claim = await openRerun(this.#around, this.#job, this.#delivery, this.#slots())
    return 'status' in claim ? await this.#serve(claim) : claim
  }

  async #announceEnd({ runEnd, graph }: Ended): Promise<void> {
    if (!runEnd) return
    const { flow } = (await this.#around.graphs.get(graph)).graph.graph
    this.#around.hooks.onRunEnded?.({ runId: this.#delivery.runId, flow, state: runEnd })
  }

  async #addOwed(toAdd: readonly TicketToAdd[]): Promise<void> {
    await addTicketsOf(this.#around, this.#delivery.runId, toAdd)
  }

  async #execute(claim: Granted, graph: KnownGraph): Promise<DeliveryEnd | null> {
    const { runId } = this.#delivery
    const run = { runId, graph: graph.graph, place: claim.place ?? DEFAULT_PLACE }
    const owed = addTickets(this.#around, run, claim.toAdd)
    if (claim.grants.length === 0) {
      await owed
      return await this.#withoutGrants(claim)
    }
    this.#keepPermits(claim.grants.length)
    const row = new RowRun(this.#around, this.#job, this.#delivery, this.#permits, graph, claim)
    const held = this.#held
    this.#held = 0
    // Both to their ends: a delivery must not end while an attempt of it runs, and the row leaves one permit to it.
    const [left, added] = await Promise.allSettled([
      row.run(claim.grants, held, this.#claimSentAt),
      owed,
    ])
    this.#held = 1
    if (left.status === 'rejected') throw left.reason
    if (added.status === 'rejected') throw added.reason
    return rowEnd(left.value)
  }

  async #withoutGrants({ rowLeft, earlyMs }: Granted): Promise<DeliveryEnd | null> {
    if (rowLeft === 'empty') return { kind: 'completed' }
    if (earlyMs > 0) return { kind: 'later', waitMs: earlyMs, why: 'not due yet' }
    if (this.#around.isClosing()) return { kind: 'later', waitMs: 0, why: 'the worker closes' }
    // A node that was lost twice waits here for its turn: handing the job back instead would starve its run.
    if (this.#isolated) return { kind: 'later', waitMs: HAND_BACK_MS, why: 'nothing was granted' }
    this.#keepPermits(0)
    await this.#around.isolation.acquire()
    this.#isolated = true
    await this.#permits.acquire()
    this.#held = 1
    return null
  }

  #keepPermits(count: number): void {
    if (this.#held > count) this.#permits.release(this.#held - count)
    this.#held = Math.min(this.#held, count)
  }
}

function rowEnd(left: RowEnd): DeliveryEnd | null {
  switch (left.kind) {
    case 'empty':
    case 'cancelled':
      return { kind: 'completed' }
    case 'failed':
      return { kind: 'failed', message: messageOfLogLine(left.lastLogLine) }
    case 'retrying':
      return left
    case 'waiting':
      return { kind: 'later', waitMs: left.waitMs, why: 'parked' }
    case 'lost':
      return { kind: 'lost' }
    case 'more':
      return null
  }
}

function refusedEnd(reason: ClaimRefusal): DeliveryEnd {
  switch (reason) {
    case 'lease':
      return { kind: 'lost' }
    case 'cancelled':
      return { kind: 'completed' }
    case 'has_rerun':
      return {
        kind: 'failed',
        message:
          'this node can’t be retried in place: its run was repeated, or is retried as a whole. Rerun that run instead',
      }
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
    case 'creating':
      return { kind: 'later', waitMs: HAND_BACK_MS, why: 'the rerun was not opened' }
  }
}

function messageOfLogLine(line: string): string {
  return (line === '' ? undefined : readLogLine(line, 0).error?.message) ?? 'failed'
}
