import type { TicketToAdd } from '../coordinator/answers.ts'
import type { RedisConnection } from '../coordinator/connection.ts'
import type { Coordinator } from '../coordinator/coordinator.ts'
import type { Reruns } from '../coordinator/reruns.ts'
import type { RunReader } from '../coordinator/run-reader.ts'
import {
  holdReconcilerLease,
  markChecked,
  type RunRows,
  readRunRows,
  runsToCheck,
} from '../coordinator/run-rows.ts'
import { messageOf } from '../core/errors.ts'
import { ticketJobId } from '../core/ids.ts'
import type { Logger } from '../core/logger.ts'
import { templateOf } from '../flow/instances.ts'
import type { Queues } from '../producer/queues.ts'
import { addRerunJob, rerunQueue } from '../producer/rerun-job.ts'
import { addTickets, DEFAULT_PLACE, placeOf } from '../producer/tickets.ts'
import type { Graphs } from './graphs.ts'
import type { RunRetries } from './run-retries.ts'
import { type Fate, type Suspicion, suspicionsIn } from './suspicions.ts'

/** What a reconciler works with. */
export interface ReconcilerParts {
  readonly redis: RedisConnection
  readonly coordinator: Coordinator
  readonly reruns: Reruns
  readonly runRetries: RunRetries
  readonly graphs: Graphs
  readonly reader: RunReader
  readonly queues: Queues
  readonly logger: Logger
  /** The recovery bound B: what has not changed for so long is acted on. */
  readonly boundMs: number
  /** The name under which it holds the shard's lease. */
  readonly owner: string
}

/** What was found in a run and, if it had stayed so for B, mended. */
export interface Finding {
  readonly runId: string
  readonly suspicion: Suspicion
  readonly wasMended: boolean
}

const RUNS_PER_PASS = 500
const PASSES_PER_BOUND = 5
const FORGET_AFTER_BOUNDS = 4

/**
 * Looks after runs that nothing would ever wake (R16): Redis lost a queue, somebody obliterated it, or a row and its job
 * came apart in another way. It acts only on what it has seen twice, unchanged, at least B apart, and each act is a
 * script that checks again. One worker per shard does it at a time, by a lease.
 */
export class Reconciler {
  readonly #parts: ReconcilerParts
  readonly #firstSeen = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  #pass: Promise<unknown> = Promise.resolve()

  constructor(parts: ReconcilerParts) {
    this.#parts = parts
  }

  start(): void {
    const everyMs = this.#parts.boundMs / PASSES_PER_BOUND
    this.#timer = setInterval(() => {
      this.#pass = this.#leasedPass(everyMs).catch((error: unknown) => {
        this.#parts.logger.warn({ error: messageOf(error) }, 'reconciling failed')
      })
    }, everyMs)
    this.#timer.unref()
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#pass
  }

  async #leasedPass(everyMs: number): Promise<void> {
    const { redis, coordinator, owner, logger, boundMs } = this.#parts
    if (!(await holdReconcilerLease(redis, coordinator.keys, owner, 3 * everyMs))) return
    await this.finish(everyMs)
    for (const { runId, suspicion, wasMended } of await this.pass(boundMs)) {
      if (wasMended) logger.warn({ runId, suspicion }, 'a stuck run was mended')
    }
  }

  /**
   * Does what ended runs have left to do for `ageMs`: due retries of failed ones, children of cancelled ones.
   *
   * @returns the runs whose duties were done
   */
  async finish(ageMs: number): Promise<{ retries: string[]; cancels: string[] }> {
    const before = (await clockOf(this.#parts.redis)) - ageMs
    return {
      retries: await this.#parts.runRetries.performDue(before, RUNS_PER_PASS),
      cancels: await this.#sweep(before),
    }
  }

  /** Goes on where somebody died who cancelled a run, and has not cancelled all of its children. */
  async #sweep(before: number): Promise<string[]> {
    const { coordinator, logger } = this.#parts
    const swept: string[] = []
    for (const runId of await coordinator.sweepsBefore(before, RUNS_PER_PASS)) {
      try {
        await coordinator.sweep(runId)
        logger.warn({ runId }, 'the children of a cancelled run were cancelled')
        swept.push(runId)
      } catch (error) {
        logger.warn({ runId, error: messageOf(error) }, 'children could not be cancelled yet')
      }
    }
    return swept
  }

  /** One look at the live runs that nobody has looked at for `ageMs`. */
  async pass(ageMs: number): Promise<Finding[]> {
    const { redis, coordinator } = this.#parts
    const now = await clockOf(redis)
    const before = now - ageMs
    const runIds = await runsToCheck(redis, coordinator.keys, before, RUNS_PER_PASS)
    const findings: Finding[] = []
    for (const runId of runIds) {
      const run = await readRunRows(redis, coordinator.keys, runId)
      const found = run ? await this.#look(run) : await this.#lookAtRerun(runId, now)
      findings.push(...found)
      if (run) await markChecked(redis, coordinator.keys, run, now)
    }
    this.#forgetOld()
    return findings
  }

  /** A rerun that no worker has opened, whose maker may have died before he added its job. */
  async #lookAtRerun(runId: string, now: number): Promise<Finding[]> {
    const { reruns, queues, coordinator, redis } = this.#parts
    const rerun = await reruns.readCreating(runId)
    if (!rerun) return []
    await markChecked(redis, coordinator.keys, rerun, now)
    const queue = queues.get(rerunQueue(rerun))
    if (!isGone(await queue.getJobState(runId))) return []
    const suspicion: Suspicion = { kind: 'unqueued', evidence: String(rerun.createdAt) }
    const wasMended = this.#isOld(runId, suspicion)
    if (wasMended) {
      await queue.remove(runId)
      await addRerunJob(queues, rerun, Math.max(0, rerun.dueAt - now))
    }
    return [{ runId, suspicion, wasMended }]
  }

  // What came right by itself is not seen again; it need not be remembered.
  #forgetOld(): void {
    const oldest = performance.now() - FORGET_AFTER_BOUNDS * this.#parts.boundMs
    for (const [key, since] of this.#firstSeen) {
      if (since < oldest) this.#firstSeen.delete(key)
    }
  }

  async #look(run: RunRows): Promise<Finding[]> {
    const suspicions = await suspicionsIn(run, {
      ofTicket: (ticket) => this.#fateOf(run, ticket),
      ofChild: (index, child) => this.#fateOfChild(run, index, child),
    })
    const findings: Finding[] = []
    for (const suspicion of suspicions) {
      const wasMended = this.#isOld(run.runId, suspicion) && (await this.#mend(run, suspicion))
      findings.push({ runId: run.runId, suspicion, wasMended })
    }
    return findings
  }

  #isOld(runId: string, { kind, evidence }: Suspicion): boolean {
    const key = `${runId} ${kind} ${evidence}`
    const since = this.#firstSeen.get(key)
    const now = performance.now()
    if (since === undefined) {
      this.#firstSeen.set(key, now)
      return false
    }
    if (now - since < this.#parts.boundMs) return false
    this.#firstSeen.delete(key)
    return true
  }

  async #mend(run: RunRows, suspicion: Suspicion): Promise<boolean> {
    const { coordinator } = this.#parts
    const { runId } = run
    switch (suspicion.kind) {
      case 'owed': {
        const row = run.rows.find(({ ticket }) => ticket === suspicion.ticket)
        if (!row) return false
        const { ticket, indices, place } = row
        // A dead job of that id (from a time that Redis has lost) would keep the new one from being added.
        const { queue, jobId } = await this.#jobOf(run, ticket)
        await this.#parts.queues.get(queue).remove(jobId)
        return this.#add(run, [{ ticket, indices, delayMs: 0, place }])
      }
      case 'claimed':
        return this.#addAnswer(
          run,
          await coordinator.rescue(runId, suspicion.ticket, suspicion.evidence),
        )
      case 'orphan':
        return this.#addAnswer(
          run,
          await coordinator.adopt(runId, suspicion.index, suspicion.evidence),
        )
      case 'deserted':
        // As above: a dead job of the child's id.
        if ((await this.#parts.reader.hasEnded(suspicion.child)) === null) {
          const queue = await this.#childQueue(run, suspicion.index)
          await this.#parts.queues.get(queue).remove(suspicion.child)
        }
        return this.#addAnswer(
          run,
          await coordinator.adopt(runId, suspicion.index, suspicion.evidence),
        )
      case 'parked':
        return this.#addAnswer(run, await coordinator.release(runId))
      case 'unqueued':
        return false
    }
  }

  async #addAnswer(
    run: RunRows,
    answer: Awaited<ReturnType<Coordinator['rescue']>>,
  ): Promise<boolean> {
    return answer.status === 'ok' && (await this.#add(run, answer.toAdd))
  }

  async #add(run: RunRows, tickets: readonly TicketToAdd[]): Promise<boolean> {
    const { runId, place } = run
    const { graph } = await this.#parts.graphs.get(run.graph)
    await addTickets(this.#parts, { runId, graph, place: place ?? DEFAULT_PLACE }, tickets)
    return true
  }

  async #fateOf(run: RunRows, ticket: number): Promise<Fate> {
    const { queue, jobId } = await this.#jobOf(run, ticket)
    return await this.#fateOfJob(queue, jobId)
  }

  async #fateOfJob(queue: string, jobId: string): Promise<Fate> {
    return isGone(await this.#parts.queues.get(queue).getJobState(jobId)) ? 'gone' : 'alive'
  }

  /** A child that has ended has told its parent: a node that still waits for it was forgotten. */
  async #fateOfChild(run: RunRows, index: number, child: string): Promise<Fate> {
    const hasEnded = await this.#parts.reader.hasEnded(child)
    if (hasEnded !== null) return hasEnded ? 'gone' : 'alive'
    return await this.#fateOfJob(await this.#childQueue(run, index), child)
  }

  async #childQueue(run: RunRows, index: number): Promise<string> {
    const { graph } = await this.#parts.graphs.get(run.graph)
    const node = graph.graph.nodes[templateOf(index)]
    return (node?.kind === 'run' ? node.child.queue : undefined) ?? DEFAULT_PLACE.queue
  }

  async #jobOf(run: RunRows, ticket: number): Promise<{ queue: string; jobId: string }> {
    const runPlace = run.place ?? DEFAULT_PLACE
    if (ticket === 0) {
      const [, foreignId] = run.foreignJob?.split('|', 2) ?? []
      return { queue: runPlace.queue, jobId: foreignId ?? run.runId }
    }
    const row = run.rows.find((candidate) => candidate.ticket === ticket)
    const { graph } = await this.#parts.graphs.get(run.graph)
    const place = row?.place ?? placeOf(graph, row?.indices[0] ?? 0, runPlace)
    return { queue: place.queue, jobId: ticketJobId(run.runId, ticket) }
  }
}

/** Redis' own clock, epoch ms, in whole seconds. */
async function clockOf(redis: RedisConnection): Promise<number> {
  const [seconds = 0] = (await redis.time()).map(Number)
  return seconds * 1_000
}

function isGone(jobState: string): boolean {
  return jobState === 'unknown' || jobState === 'completed' || jobState === 'failed'
}
