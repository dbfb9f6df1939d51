import { z } from 'zod'
import type { Grant, Place } from '../coordinator/answers.ts'
import type { Coordinator } from '../coordinator/coordinator.ts'
import { failureOfEntry, type LoggedAttempt } from '../coordinator/run-record.ts'
import type { SharedLimits } from '../coordinator/shared-limits.ts'
import { SerializationError } from '../core/errors.ts'
import { type FailureKind, storeError } from '../core/failure.ts'
import { type Json, toJsonText } from '../core/json.ts'
import type { Logger } from '../core/logger.ts'
import type { CompiledGraph } from '../flow/compile.ts'
import type { FlowNode } from '../flow/flow-definition.ts'
import type { TaskNode } from '../flow/graph.ts'
import type { RunOptions } from '../producer/envelope.ts'
import { decideRetry } from '../strategies/decide.ts'
import { drawFor } from '../strategies/draw.ts'
import type { Policy } from '../strategies/policy.ts'
import { choosePolicy } from '../strategies/precedence.ts'
import type { AttemptAbort } from './aborts.ts'
import { admit } from './admission.ts'
import { AttemptContext } from './attempt-context.ts'
import {
  type AttemptEnd,
  decided,
  interrupted,
  invalidInput,
  noHandler,
  notYet,
  stopped,
} from './attempt-end.ts'
import type { Handlers } from './handlers.ts'
import type { WorkerSettings } from './options.ts'
import { placeOf } from './tickets.ts'
import type { RunValues } from './values.ts'

/** What an attempt runs in: shared by all attempts of a worker. */
export interface AttemptSurroundings {
  readonly handlers: Handlers
  readonly settings: WorkerSettings
  readonly logger: Logger
  readonly coordinator: Coordinator
  readonly sharedLimits: SharedLimits
}

/** One granted attempt. */
export interface Attempt {
  readonly runId: string
  readonly graph: CompiledGraph
  readonly node: TaskNode
  readonly grant: Grant
  readonly options: RunOptions
  readonly values: RunValues
  readonly openedAt: number
  /** Where nodes run that name no place of their own. */
  readonly runPlace: Place
  /** When the grant arrived here, by this process' monotonic clock. */
  readonly receivedAt: number
  readonly abort: AttemptAbort
}

/** Executes one granted attempt: input, handler, result, decision. It throws only when Redis can’t be read. */
export async function executeAttempt(
  around: AttemptSurroundings,
  attempt: Attempt,
): Promise<AttemptEnd> {
  const { runId, node, graph, grant } = attempt
  const flowNode = around.handlers.node(graph.graph.flow, node)
  if (!flowNode) return noHandler(node, around.settings.unknownTaskTimeoutMs)
  const input = (await attempt.values.inputOf(grant.index, node.input)) ?? null
  const parsed = await parse(flowNode.task.input, input)
  if (!parsed.success) return invalidInput(node, parsed.error)
  const policy = policyFor(around.settings, attempt, flowNode)
  const history = grant.attempt === 1 ? [] : await readHistory(around, attempt)
  const holder = { runId, index: grant.index, attempt: grant.attempt }
  const admission = await admit(around, policy, holder)
  if (admission.status === 'wait') return notYet(admission)
  let end: AttemptEnd = null
  try {
    end = await runHandler(around, attempt, flowNode, policy, history, input, parsed.data)
    return end
  } finally {
    await admission.report(end)
  }
}

async function runHandler(
  around: AttemptSurroundings,
  attempt: Attempt,
  flowNode: FlowNode,
  policy: Policy | null,
  history: readonly LoggedAttempt[],
  input: Json,
  parsedInput: unknown,
): Promise<AttemptEnd> {
  try {
    const result = await callHandler(around, attempt, flowNode, policy, history, input, parsedInput)
    return { outcome: { kind: 'succeeded', result }, failure: null, decision: null }
  } catch (thrown) {
    return await failed(around, attempt, policy, history, input, thrown)
  }
}

async function callHandler(
  around: AttemptSurroundings,
  attempt: Attempt,
  flowNode: FlowNode,
  policy: Policy | null,
  history: readonly LoggedAttempt[],
  input: Json,
  parsedInput: unknown,
): Promise<string> {
  const { task } = flowNode
  const { runId, graph, node, grant, abort } = attempt
  const context = new AttemptContext({
    run: { id: runId, rootId: runId, parentId: null, retryNumber: 0, flow: graph.graph.flow },
    node,
    grant,
    policy,
    previousFailures: history.flatMap((entry) => failureOfEntry(entry) ?? []),
    abort,
    logger: around.logger,
    inputText: JSON.stringify(input),
  })
  const limitMs = flowNode.timeoutMs ?? task.timeoutMs ?? around.settings.defaultTimeoutMs
  if (limitMs !== null) abort.startTimeout(limitMs)
  const output = await abort.race(() => task.run(parsedInput, context))
  return toJsonText(task.output ? await checkOutput(task.output, output) : output, 'result')
}

async function checkOutput(schema: z.ZodType, output: unknown): Promise<unknown> {
  const parsed = await parse(schema, output)
  if (parsed.success) return parsed.data
  throw new TypeError(
    `the result does not fit the task's output schema:\n${z.prettifyError(parsed.error)}`,
  )
}

/** Schemas may be asynchronous, and may throw: that is an input that does not fit. */
async function parse(schema: z.ZodType, value: unknown): Promise<z.ZodSafeParseResult<unknown>> {
  try {
    return await schema.safeParseAsync(value)
  } catch (thrown) {
    const message = `the schema itself threw: ${storeError(thrown).message}`
    return {
      success: false,
      error: new z.ZodError([{ code: 'custom', path: [], message, input: value }]),
    }
  }
}

async function failed(
  around: AttemptSurroundings,
  attempt: Attempt,
  policy: Policy | null,
  history: readonly LoggedAttempt[],
  input: Json,
  thrown: unknown,
): Promise<AttemptEnd> {
  const { aborted } = attempt.abort
  if (aborted?.abortCause === 'lease_lost') return null
  if (aborted?.abortCause === 'shutdown') return interrupted(aborted)
  const kind: FailureKind = aborted ? 'timeout' : 'error'
  const error = storeError(aborted ?? thrown)
  if (thrown instanceof SerializationError && !aborted)
    return stopped(kind, error, 'not_serializable')
  const { runId, node, graph, grant } = attempt
  // A manual retry begins anew: what came before it counts for no limit.
  const current = history.slice(history.findLastIndex(({ kind: entry }) => entry === 'retried') + 1)
  const { queue, priority } = placeOf(graph, grant.index, attempt.runPlace)
  const decision = await decideRetry({
    policy,
    failure: {
      kind,
      error,
      attempt: grant.attempt,
      retryNumber: grant.attempt - 1,
      node: node.key,
      task: node.task,
      flow: graph.graph.flow,
      run: { id: runId, rootId: runId },
      input,
      priority,
      queue,
      startedAt: grant.startedAt,
      firstStartedAt: current[0]?.startedAt ?? grant.startedAt,
      delays: current.flatMap(({ decision }) =>
        decision?.action === 'retry' ? [decision.delayMs] : [],
      ),
    },
    thrown: aborted ?? thrown,
    retriesUsed: grant.retriesUsed,
    now: grant.startedAt + (performance.now() - attempt.receivedAt),
    retries: attempt.options.retries ?? around.settings.retries,
    random: () => drawFor(runId, node.key, grant.retriesUsed + 1),
  })
  return decided(kind, error, decision)
}

async function readHistory(
  around: AttemptSurroundings,
  { runId, grant, openedAt }: Attempt,
): Promise<LoggedAttempt[]> {
  return await around.coordinator.readNodeLog(runId, grant.index, openedAt)
}

function policyFor(
  settings: WorkerSettings,
  { options, node }: Attempt,
  { retry, task, flowRetry }: FlowNode,
): Policy | null {
  return choosePolicy({
    enqueue: options.nodes?.[node.key]?.retry ?? options.retry,
    node: retry,
    task: task.retry,
    flow: flowRetry,
    worker: settings.defaultRetry,
  })
}
