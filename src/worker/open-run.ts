import { z } from 'zod'
import type { ClaimAnswer } from '../coordinator/answers.ts'
import type { Coordinator, Delivery, Root } from '../coordinator/coordinator.ts'
import { messageOf } from '../core/errors.ts'
import type { StopReason } from '../core/failure.ts'
import { toJsonText } from '../core/json.ts'
import type { CompiledGraph } from '../flow/compile.ts'
import { type Envelope, readEnvelope } from '../producer/envelope.ts'
import { namedError } from './attempt-end.ts'
import type { DeliveredJob } from './delivered-job.ts'
import type { DeliveryEnd } from './delivery-end.ts'
import type { Handlers, KnownFlow } from './handlers.ts'
import { placeOf } from './tickets.ts'

/** What opening a run needs of its worker. */
export interface OpenSurroundings {
  readonly coordinator: Coordinator
  readonly handlers: Handlers
  readonly unknownTaskTimeoutMs: number
}

/** A run was opened (or claimed again), or the job ends without one. */
export type Opening =
  | { readonly claim: ClaimAnswer; readonly graph: CompiledGraph }
  | { readonly end: DeliveryEnd }

const MIN_WAIT_MS = 1_000
const MAX_WAIT_MS = 30_000

/** Opens the run of a job that somebody enqueued, or says how the job ends (section 7 of the design). */
export async function openRun(
  around: OpenSurroundings,
  job: DeliveredJob,
  delivery: Delivery,
): Promise<Opening> {
  const read = readEnvelope(job.data)
  if ('problem' in read) return refuse(around, job, delivery, '', 'invalid_input', read.problem)
  const { envelope } = read
  const flowName = flowNameOf(envelope)
  const flow = around.handlers.flow(flowName)
  if (!flow) return waitForHandler(around, job, delivery, flowName)
  const input = await parseInput(flow, envelope.input)
  if ('problem' in input) {
    return refuse(around, job, delivery, flowName, 'invalid_input', input.problem)
  }
  const { graph } = flow
  const claim = await around.coordinator.open(delivery, 1, {
    fresh: job.isFresh,
    graph,
    roots: rootsFor(graph, job.queue),
    input: input.text,
    options: envelope.options ? JSON.stringify(envelope.options) : '',
    job: job.id === delivery.runId ? '' : `${job.queue}|${job.id}`,
  })
  return { claim, graph }
}

function flowNameOf(envelope: Envelope): string {
  return envelope.kind === 'flow' ? envelope.flow : `task:${envelope.task}`
}

async function parseInput(
  { definition }: KnownFlow,
  input: unknown,
): Promise<{ text: string } | { problem: string }> {
  const parsed = await definition.input.safeParseAsync(input)
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

// A root may run in the flow job's own delivery if it would have to wait in the same queue anyway.
function rootsFor(graph: CompiledGraph, queue: string): Root[] {
  return graph.roots.map((index) => {
    const node = graph.graph.nodes[index]
    const delayMs = node?.kind === 'task' ? (node.delayMs ?? 0) : 0
    return { index, delayMs, home: delayMs === 0 && placeOf(graph, index).queue === queue }
  })
}

/** No worker of this kind knows the name (yet): the job waits, 1 s doubling to 30 s, then the run fails. */
async function waitForHandler(
  around: OpenSurroundings,
  job: DeliveredJob,
  delivery: Delivery,
  flowName: string,
): Promise<Opening> {
  const now = Date.now()
  const since = waitingSince(job.progress)
  if (since === null)
    await job.setProgress({ waitingFor: 'no_handler', name: flowName, since: now })
  const waitedMs = since === null ? 0 : now - since
  const limitMs = around.unknownTaskTimeoutMs
  if (waitedMs < limitMs) {
    const waitMs = Math.min(Math.max(waitedMs, MIN_WAIT_MS), MAX_WAIT_MS, limitMs - waitedMs)
    return { end: { kind: 'later', waitMs, why: `no worker knows ${flowName} yet` } }
  }
  const known = around.handlers.flowNames().join(', ') || 'none'
  const problem = `no worker that serves the queue ${job.queue} knows ${flowName}, for ${limitMs} ms; this one knows the flows: ${known}`
  return refuse(around, job, delivery, flowName, 'no_handler', problem)
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
): Promise<Opening> {
  const name = reason === 'no_handler' ? 'NoHandler' : 'InvalidInput'
  const answer = await around.coordinator.refuse(delivery, {
    reason: JSON.stringify({ reason, error: namedError(name, problem) }),
    flow,
    job: job.id === delivery.runId ? '' : `${job.queue}|${job.id}`,
  })
  if (answer.status === 'ok') return { end: { kind: 'failed', message: problem } }
  return answer.reason === 'lease'
    ? { end: { kind: 'lost' } }
    : { end: { kind: 'later', waitMs: MIN_WAIT_MS, why: 'the run was opened by another delivery' } }
}
