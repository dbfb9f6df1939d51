import type { Job } from 'bullmq'
import type { CreatingRerun } from '../coordinator/creating-rerun.ts'
import { readStoredOptions } from '../coordinator/run-snapshot.ts'
import { RepriseError } from '../core/errors.ts'
import { fromJsonText, type Json } from '../core/json.ts'
import type { ParentNode, Rerun } from '../core/lineage.ts'
import { SINGLE_TASK_PREFIX } from '../flow/single.ts'
import { readEnvelope } from './envelope.ts'
import { DEFAULT_QUEUE } from './job-options.ts'

/** A run that no worker has opened: all that there is of it is its job. Tell it from others by `openedAt`. */
export interface QueuedRun {
  readonly id: string
  /** The flow's name; `task:<name>` for a task on its own. */
  readonly flow: string
  /** The first run of its lineage: itself, unless a node of another run started it. */
  readonly rootId: string
  /** The node that started it; null for a run that was enqueued from outside. */
  readonly parent: Pick<ParentNode, 'runId' | 'node'> | null
  /** How it repeats another run; null if it repeats none. */
  readonly rerun: Rerun | null
  readonly children: readonly never[]
  readonly tags: readonly string[]
  /** What was enqueued, JSON; undefined if the job's data is no envelope. */
  readonly input: Json | undefined
  /** `scheduled`: its delay is not over. `waiting`: no worker knows its name yet. `queued`: no worker has taken it. */
  readonly state: 'scheduled' | 'queued' | 'waiting'
  readonly queue: string
  /** When it was enqueued, epoch ms by the clock of whoever did. */
  readonly enqueuedAt: number
  /** When its delay is over, epoch ms: of a `scheduled` run. */
  readonly dueAt: number | null
  readonly openedAt: null
  readonly endedAt: null
  readonly refusal: null
  readonly nodes: readonly never[]
  readonly graph: null
}

/**
 * A run as its job has it.
 *
 * @throws RepriseError `unknown_run` when the job has failed: then there is no run, and won't be
 */
export function queuedRun(id: string, job: Job, jobState: string): QueuedRun {
  if (jobState === 'failed') {
    throw new RepriseError(
      'unknown_run',
      `there is no run ${id}; its job failed: ${job.failedReason}`,
    )
  }
  const state = queuedState(jobState, job.attemptsStarted)
  const read = readEnvelope(job.data)
  const envelope = 'envelope' in read ? read.envelope : null
  const parent = envelope?.options?.parent
  return {
    id,
    flow:
      envelope?.kind === 'task' ? SINGLE_TASK_PREFIX + envelope.task : (envelope?.flow ?? job.name),
    rootId: parent?.rootId ?? id,
    parent: parent ? { runId: parent.runId, node: parent.node } : null,
    rerun: null,
    children: [],
    tags: envelope?.options?.tags ?? [],
    input: envelope?.input,
    state,
    queue: job.queueName,
    enqueuedAt: job.timestamp,
    dueAt: state === 'scheduled' ? job.timestamp + job.delay : null,
    openedAt: null,
    endedAt: null,
    refusal: null,
    nodes: [],
    graph: null,
  }
}

/** A rerun that was made and waits for its time, or for a worker to open it. `now`: epoch ms. */
export function creatingRun(creating: CreatingRerun, now: number): QueuedRun {
  const { runId, flow, place, createdAt, dueAt } = creating
  const { tags = [], parent, rerun = null } = readStoredOptions(creating.options)
  const isScheduled = dueAt > now
  return {
    id: runId,
    flow,
    rootId: rerun?.rootId ?? runId,
    parent: parent ? { runId: parent.runId, node: parent.node } : null,
    rerun,
    children: [],
    tags,
    input: fromJsonText(creating.input, "the run's input"),
    state: isScheduled ? 'scheduled' : 'queued',
    queue: place?.queue ?? DEFAULT_QUEUE,
    enqueuedAt: createdAt,
    dueAt: isScheduled ? dueAt : null,
    openedAt: null,
    endedAt: null,
    refusal: null,
    nodes: [],
    graph: null,
  }
}

function queuedState(jobState: string, deliveries: number): QueuedRun['state'] {
  if (jobState !== 'delayed') return 'queued'
  return deliveries > 0 ? 'waiting' : 'scheduled'
}
