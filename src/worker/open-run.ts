import { z } from 'zod'
import type { ClaimAnswer, Place } from '../coordinator/answers.ts'
import type { Coordinator } from '../coordinator/coordinator.ts'
import type { Delivery, Root, Slots } from '../coordinator/moves.ts'
import { messageOf } from '../core/errors.ts'
import type { StopReason } from '../core/failure.ts'
import type { Hooks } from '../core/hooks.ts'
import { toJsonText } from '../core/json.ts'
import type { Logger } from '../core/logger.ts'
import type { CompiledGraph } from '../flow/compile.ts'
import { isWorkNode, type WorkNode } from '../flow/graph.ts'
import { type Envelope, type RunOptions, readEnvelope } from '../producer/envelope.ts'
import {
  addTicketsOf,
  DEFAULT_PLACE,
  placeOf,
  type TicketSurroundings,
} from '../producer/tickets.ts'
import { namedError } from './attempt-end.ts'
import { companySize, enqueuedCrashLimit } from './company.ts'
import type { DeliveredJob } from './delivered-job.ts'
import type { DeliveryEnd } from './delivery-end.ts'
import type { Handlers, KnownFlow } from './handlers.ts'
import type { WorkerSettings } from './options.ts'
import type { TaskDurations } from './task-durations.ts'

/** What opening a run needs of its worker. */
export interface OpenSurroundings extends TicketSurroundings {
  readonly coordinator: Coordinator
  readonly handlers: Handlers
  readonly durations: TaskDurations
  readonly settings: WorkerSettings
  readonly logger: Logger
  readonly hooks: Hooks
}

const MIN_WAIT_MS = 1_000
const MAX_WAIT_MS = 30_000

/**
 * Opens the run of a job that somebody enqueued, and claims its first nodes; or says how the job ends without a run
 * (section 7 of the design).
 */
export async function openRun(
  around: OpenSurroundings,
  job: DeliveredJob,
  delivery: Delivery,
  slots: Slots,
): Promise<ClaimAnswer | DeliveryEnd> {
  const read = readEnvelope(job.data)
  if ('problem' in read)
    return refuse(around, job, delivery, '', 'invalid_input', read.problem, slots)
  const { envelope } = read
  const flowName = flowNameOf(envelope)
  const flow = around.handlers.flow(flowName)
  if (!flow) return waitForHandler(around, job, delivery, flowName, slots)
  const input = await parseInput(flow, envelope.input)
  if ('problem' in input) {
    return refuse(around, job, delivery, flowName, 'invalid_input', input.problem, slots)
  }
  const { graph } = flow
  const options = withRunRetry(envelope.options ?? {}, flow, around.settings)
  const roots = rootsFor(graph, graph.roots, { queue: job.queue, priority: job.priority })
  const claim = await around.coordinator.open(delivery, slots, {
    fresh: job.isFresh,
    graph,
    roots,
    grain: companySize(around, tasksAt(graph, graph.roots), options),
    input: input.text,
    options: Object.keys(options).length > 0 ? JSON.stringify(options) : '',
    place: placeOfRun(job),
    maxCrashes: crashLimits(graph, options),
    job: job.id === delivery.runId ? '' : `${job.queue}|${job.id}`,
    isRetried: isRetried(options),
  })
  if (claim.status !== 'refused') announceOpening(around, job, delivery.runId, flowName)
  return claim
}

export function announceOpening(
  { logger, hooks }: OpenSurroundings,
  { queue, id }: DeliveredJob,
  runId: string,
  flow: string,
): void {
  logger.debug({ runId, flow, queue, jobId: id }, 'run opened')
  hooks.onRunOpened?.({ runId, flow })
}

/** The tasks of nodes that begin a run. */
export function tasksAt({ graph }: CompiledGraph, indices: readonly number[]): WorkNode[] {
  return indices.flatMap((index) => {
    const node = graph.nodes[index]
    return isWorkNode(node) ? [node] : []
  })
}

function placeOfRun({ queue, priority }: DeliveredJob): Place | null {
  return queue === DEFAULT_PLACE.queue && priority === DEFAULT_PLACE.priority
    ? null
    : { queue, priority }
}

/** Crash limits that the enqueue's own policies set: scripts apply them, and they stand in no graph. */
export function crashLimits(graph: CompiledGraph, options: RunOptions): Map<number, number> {
  const limits = new Map<number, number>()
  if (options.retry === undefined && !options.nodes) return limits
  graph.graph.nodes.forEach((node, index) => {
    const limit = isWorkNode(node) ? enqueuedCrashLimit(node, options) : undefined
    if (limit !== undefined) limits.set(index, limit)
  })
  return limits
}

/** The options with the run retry that applies: whoever ends the run may not know its flow. */
function withRunRetry(
  options: RunOptions,
  { definition }: KnownFlow,
  { defaultRunRetry }: WorkerSettings,
): RunOptions {
  const runRetry = options.runRetry ?? definition.runRetry ?? defaultRunRetry
  return runRetry ? { ...options, runRetry } : options
}

/** Does a failed end of a run with these options ask for a retry of the whole run? */
export function isRetried({ runRetry, retries }: RunOptions): boolean {
  return runRetry !== undefined && runRetry.maxRetries > 0 && retries !== 'off'
}

function flowNameOf(envelope: Envelope): string {
  return envelope.kind === 'flow' ? envelope.flow : `task:${envelope.task}`
}

async function parseInput(
  { definition }: KnownFlow,
  input: unknown,
): Promise<{ text: string } | { problem: string }> {
  const parsed = await definition.input
    .safeParseAsync(input)
    .catch((thrown: unknown) => messageOf(thrown))
  if (typeof parsed === 'string') {
    return { problem: `the input schema of ${definition.name} threw: ${parsed}` }
  }
  if (!parsed.success) {
    return {
      problem: `the input of ${definition.name} is not valid:\n${z.prettifyError(parsed.error)}`,
    }
  }
  try {
    return { text: toJsonText(parsed.data, 'input') }
  } catch (error) {
    return { problem: messageOf(error) }
  }
}

/** The nodes that begin a run. One may run in the flow job's own delivery if it would have to wait in the same queue anyway. */
export function rootsFor(
  graph: CompiledGraph,
  indices: readonly number[],
  runPlace: Place,
): Root[] {
  return indices.map((index) => {
    const node = graph.graph.nodes[index]
    const delayMs = isWorkNode(node) ? (node.delayMs ?? 0) : 0
    const { queue, priority } = placeOf(graph, index, runPlace)
    const isAtHome = queue === runPlace.queue && priority === runPlace.priority
    return { index, delayMs, home: delayMs === 0 && isAtHome, place: graph.places[index] ?? 0 }
  })
}

/** No worker of this kind knows the name (yet): the job waits, 1 s doubling to 30 s, then the run fails. */
async function waitForHandler(
  around: OpenSurroundings,
  job: DeliveredJob,
  delivery: Delivery,
  flowName: string,
  slots: Slots,
): Promise<ClaimAnswer | DeliveryEnd> {
  const now = Date.now()
  const since = waitingSince(job.progress)
  if (since === null)
    await job.setProgress({ waitingFor: 'no_handler', name: flowName, since: now })
  const waitedMs = since === null ? 0 : now - since
  const limitMs = around.settings.unknownTaskTimeoutMs
  if (waitedMs < limitMs) {
    const waitMs = Math.min(Math.max(waitedMs, MIN_WAIT_MS), MAX_WAIT_MS, limitMs - waitedMs)
    return { kind: 'later', waitMs, why: `no worker knows ${flowName} yet` }
  }
  // A retry by hand waits anew.
  await job.setProgress({ waitedFor: 'no_handler', name: flowName, waitedMs })
  const known = around.handlers.flowNames().join(', ') || 'none'
  const problem = `no worker that serves the queue ${job.queue} knows ${flowName}, for ${limitMs} ms; this one knows the flows: ${known}`
  return refuse(around, job, delivery, flowName, 'no_handler', problem, slots)
}

function waitingSince(progress: unknown): number | null {
  if (typeof progress !== 'object' || progress === null || !('since' in progress)) return null
  return typeof progress.since === 'number' ? progress.since : null
}

async function refuse(
  around: OpenSurroundings,
  job: DeliveredJob,
  delivery: Delivery,
  flow: string,
  reason: StopReason,
  problem: string,
  slots: Slots,
): Promise<ClaimAnswer | DeliveryEnd> {
  const name = reason === 'no_handler' ? 'NoHandler' : 'InvalidInput'
  const answer = await around.coordinator.refuse(delivery, {
    reason: JSON.stringify({ reason, error: namedError(name, problem) }),
    flow,
    job: job.id === delivery.runId ? '' : `${job.queue}|${job.id}`,
  })
  if (answer.status === 'ok') {
    await addTicketsOf(around, delivery.runId, answer.toAdd)
    return { kind: 'failed', message: problem }
  }
  if (answer.reason === 'lease') return { kind: 'lost' }
  // A delivery before this one opened the run: what it holds is to be executed.
  return await around.coordinator.claim(delivery, slots)
}
