import { culpritsOf } from '../coordinator/culprit.ts'
import type { Reruns } from '../coordinator/reruns.ts'
import type { RunReader } from '../coordinator/run-reader.ts'
import { failureOfEntry } from '../coordinator/run-record.ts'
import type { NodeSnapshot, RunSnapshot } from '../coordinator/run-snapshot.ts'
import { messageOf, RepriseError } from '../core/errors.ts'
import type { Failure, RecordedDecision } from '../core/failure.ts'
import type { Hooks } from '../core/hooks.ts'
import type { RunRetry } from '../core/lineage.ts'
import type { Logger } from '../core/logger.ts'
import { planRerun } from '../flow/rerun-plan.ts'
import { DEFAULT_QUEUE } from '../producer/job-options.ts'
import type { Queues } from '../producer/queues.ts'
import { addRerunJob } from '../producer/rerun-job.ts'
import { rerunOptions } from '../producer/rerun-options.ts'
import { decideRunRetry } from '../strategies/decide-run-retry.ts'
import { drawFor } from '../strategies/draw.ts'

/** What retrying runs as a whole needs of its worker. */
export interface RunRetriesParts {
  readonly reruns: Reruns
  readonly reader: RunReader
  readonly queues: Queues
  readonly logger: Logger
  readonly hooks: Hooks
  readonly retries: 'on' | 'off'
}

type RetryDecision = Extract<RecordedDecision, { action: 'retry' }>

/**
 * The automatic retries of whole runs. The script that ends a failed run writes that its retry is due (R26); the worker that
 * ended it decides, makes the retrying run and adds its job. Should it die at any point the reconciler goes on from there:
 * the decision and the making are one script, and adding a job twice is a no-op.
 */
export class RunRetries {
  readonly #parts: RunRetriesParts

  constructor(parts: RunRetriesParts) {
    this.#parts = parts
  }

  /**
   * Decides about the retry of a failed run, if that is due, and makes the run that retries it; or adds the job of the one
   * that was made, if no worker has opened it.
   */
  async perform(runId: string): Promise<void> {
    const { reruns, reader } = this.#parts
    const retry = await reruns.retryOf(runId)
    if (retry === null) return
    if (retry !== 'due') return await this.#addJob(retry)
    const run = await reader.read(runId)
    if (!run?.runRetry) return await reruns.decline(runId, stop('policy_error', 'nothing says how'))
    const decision = await this.#decide(run, run.runRetry)
    if (decision.action === 'stop') await this.#decline(runId, decision)
    else await this.#create(run, run.runRetry, decision)
  }

  /** All retries that are due since `before` (epoch ms), at most so many. One that fails is left for the next time. */
  async performDue(before: number, limit: number): Promise<string[]> {
    const { reruns, logger } = this.#parts
    const performed: string[] = []
    for (const runId of await reruns.dueRetries(before, limit)) {
      try {
        await this.perform(runId)
        await reruns.forget(runId)
        performed.push(runId)
      } catch (error) {
        logger.warn({ runId, error: messageOf(error) }, 'a failed run could not be retried yet')
      }
    }
    return performed
  }

  async #addJob(runId: string): Promise<void> {
    const { reruns, queues } = this.#parts
    const creating = await reruns.readCreating(runId)
    if (creating) await addRerunJob(queues, creating, Math.max(0, creating.dueAt - Date.now()))
  }

  async #create(run: RunSnapshot, { strategy }: RunRetry, decision: RetryDecision): Promise<void> {
    const { reruns, queues, logger, hooks } = this.#parts
    const { delayMs } = decision
    const stored = await reruns.readOptions(run.id)
    const options = rerunOptions(stored, run, { by: 'retry', strategy }, delayMs)
    const created = await reruns.create(run.id, options, { by: 'retry' }, delayMs, decision)
    if (created.status === 'ok') {
      await addRerunJob(queues, created, delayMs)
      hooks.onRunEnqueued?.({ runId: created.runId, flow: created.flow })
      logger.info({ runId: run.id, retriedBy: created.runId, delayMs }, 'a failed run is retried')
    } else if (created.reason !== 'changed' && created.reason !== 'no_run') {
      const detail = `the run that would retry it could not be made: ${created.reason}`
      await this.#decline(run.id, stop('result_expired', detail))
    }
  }

  async #decline(runId: string, decision: RecordedDecision): Promise<void> {
    await this.#parts.reruns.decline(runId, decision)
    this.#parts.logger.info({ runId, decision }, 'a failed run is not retried')
  }

  async #decide(run: RunSnapshot, runRetry: RunRetry): Promise<RecordedDecision> {
    try {
      if (run.graph) planRerun(run.graph.graph, run.nodes, runRetry.strategy)
    } catch (error) {
      if (!(error instanceof RepriseError)) throw error
      return stop('policy_error', messageOf(error))
    }
    const culprits = culpritsOf(run)
    const failures = culprits.flatMap((node) => lastFailure(node) ?? [])
    const retriesUsed = run.rerun?.retryNumber ?? 0
    const [culprit] = culprits
    const now = run.endedAt ?? run.openedAt
    return await decideRunRetry({
      runRetry,
      failures,
      failure: {
        ...((culprit && lastFailure(culprit)) ?? UNKNOWN),
        attempt: retriesUsed + 1,
        retryNumber: retriesUsed,
        node: culprit?.key ?? '',
        task: culprit?.task ?? '',
        flow: run.flow,
        run: { id: run.id, rootId: run.rootId },
        input: run.input ?? null,
        priority: 0,
        queue: DEFAULT_QUEUE,
        lock: null,
        startedAt: run.openedAt,
        firstStartedAt: run.openedAt,
        delays: run.rerun?.delays ?? [],
      },
      retriesUsed,
      now,
      retries: this.#parts.retries,
      random: () => drawFor(run.rootId, '', retriesUsed + 1),
    })
  }
}

function lastFailure({ log }: NodeSnapshot): Failure | null {
  const last = log.at(-1)
  return last ? failureOfEntry(last) : null
}

const UNKNOWN: Failure = {
  kind: 'error',
  error: { name: 'Error', names: ['Error'], message: 'the failure is not known' },
}

function stop(
  reason: Extract<RecordedDecision, { action: 'stop' }>['reason'],
  detail: string,
): RecordedDecision {
  return { action: 'stop', reason, detail }
}
