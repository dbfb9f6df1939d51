import { z } from 'zod'
import type { Grant, Place } from '../coordinator/answers.ts'
import type { Coordinator } from '../coordinator/coordinator.ts'
import { failureOfEntry, type LoggedAttempt } from '../coordinator/run-record.ts'
import { SerializationError } from '../core/errors.ts'
import { type FailureKind, type RecordedDecision, storeError } from '../core/failure.ts'
import { type Json, toJsonText } from '../core/json.ts'
import type { Logger } from '../core/logger.ts'
import type { CompiledGraph } from '../flow/compile.ts'
import type { FlowNode } from '../flow/flow-definition.ts'
import type { TaskNode } from '../flow/graph.ts'
import type { RunOptions } from '../producer/envelope.ts'
import { decideRetry } from '../strategies/decide.ts'
import { brokenPolicy } from '../strategies/define-policy.ts'
import { drawFor } from '../strategies/draw.ts'
import { maxInterruptionsOf } from '../strategies/policy-limits.ts'
import type { PolicyRegistry } from '../strategies/policy-registry.ts'
import type { Policy } from '../strategies/policy-types.ts'
import { choosePolicy } from '../strategies/precedence.ts'
import type { AttemptAbort, AttemptAborted } from './aborts.ts'
import { AttemptContext } from './attempt-context.ts'
import {
  type AttemptEnd,
  decided,
  interrupted,
  invalidInput,
  noHandler,
  stopped,
} from './attempt-end.ts'
import type { Handlers } from './handlers.ts'
import type { WorkerSettings } from './options.ts'
import type { RunValues } from './values.ts'

/** What an attempt runs in: shared by all attempts of a worker. */
export interface AttemptSurroundings {
  readonly handlers: Handlers
  readonly policies: PolicyRegistry
  readonly settings: WorkerSettings
  readonly logger: Logger
  readonly coordinator: Coordinator
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
  /** Where it runs: the queue and priority of its job. */
  readonly place: Place
  /** When the grant arrived here, by this process' monotonic clock. */
  readonly receivedAt: number
  readonly abort: AttemptAbort
}

/** Executes one granted attempt: input, handler, result, decision. It throws only when Redis can’t be read. */
export async function executeAttempt(
  around: AttemptSurroundings,
  attempt: Attempt,
): Promise<AttemptEnd> {
  const { node, graph } = attempt
  const flowNode = around.handlers.node(graph.graph.flow, node)
  const { unknownTaskTimeoutMs } = around.settings
  if (!flowNode) return noHandler(`the task ${node.task}`, unknownTaskTimeoutMs)
  const bound = bindPolicy(around, policyFor(around.settings, attempt, flowNode))
  if ('missing' in bound) return noHandler(`the policy ${bound.missing}`, unknownTaskTimeoutMs)
  const { policy } = bound
  const input = (await attempt.values.inputOf(attempt.grant.index, node.input)) ?? null
  const parsed = await parse(flowNode.task.input, input)
  if (!parsed.success) return invalidInput(node, parsed.error)
  const history = attempt.grant.attempt === 1 ? [] : await readHistory(around, attempt)
  try {
    const result = await callHandler(around, attempt, flowNode, policy, history, input, parsed.data)
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
  const error = storeError(aborted ?? thrown)
  // A manual retry begins anew: what came before it counts for no limit.
  const current = history.slice(history.findLastIndex(({ kind: entry }) => entry === 'retried') + 1)
  if (aborted?.abortCause === 'shutdown') return shutDown(policy, current, aborted)
  const kind: FailureKind = aborted ? 'timeout' : 'error'
  if (thrown instanceof SerializationError && !aborted)
    return stopped(kind, error, 'not_serializable')
  const { runId, node, graph, grant } = attempt
  const { queue, priority } = attempt.place
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
  return decided(kind, error, await servedDecision(around, decision))
}

/** A graceful shutdown costs no retry; only `maxInterruptions` bounds how often. */
function shutDown(
  policy: Policy | null,
  history: readonly LoggedAttempt[],
  aborted: AttemptAborted,
): AttemptEnd {
  const error = storeError(aborted)
  const limit = maxInterruptionsOf(policy, error)
  const used = history.filter(({ kind }) => kind === 'interrupted').length
  if (limit === null || used < limit) return interrupted(aborted)
  return stopped('interrupted', error, 'exhausted', `${used} of ${limit} interruptions used`)
}

/** Refuses a decision to retry in a queue that nobody serves: the node would wait there for ever. */
async function servedDecision(
  { settings, coordinator }: AttemptSurroundings,
  decision: RecordedDecision,
): Promise<RecordedDecision> {
  const queue = decision.action === 'retry' ? decision.place?.queue : undefined
  if (queue === undefined || settings.queues.has(queue)) return decision
  const { unknownTaskTimeoutMs } = settings
  const served = await coordinator.servedQueues(unknownTaskTimeoutMs)
  if (served.includes(queue)) return decision
  const detail = `no worker has served the queue ${queue} in the last ${unknownTaskTimeoutMs} ms; served are: ${served.join(', ')}`
  return { action: 'stop', reason: 'policy_error', detail }
}

async function readHistory(
  around: AttemptSurroundings,
  { runId, grant, openedAt }: Attempt,
): Promise<LoggedAttempt[]> {
  return await around.coordinator.readNodeLog(runId, grant.index, openedAt)
}

/** Its plug-ins found. One whose options don't fit shows it when it is asked: the task runs all the same. */
function bindPolicy(
  { policies }: AttemptSurroundings,
  policy: Policy | null,
): { readonly policy: Policy | null } | { readonly missing: string } {
  try {
    return policy === null ? { policy } : policies.bind(policy)
  } catch (cause) {
    return { policy: brokenPolicy(cause) }
  }
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
