import { z } from 'zod'
import type { Grant, Place } from '../coordinator/answers.ts'
import type { Coordinator, Delivery } from '../coordinator/coordinator.ts'
import { failureOfEntry, type LoggedAttempt } from '../coordinator/run-record.ts'
import type { SharedLimits } from '../coordinator/shared-limits.ts'
import { SerializationError } from '../core/errors.ts'
import { type FailureKind, type RecordedDecision, storeError } from '../core/failure.ts'
import type { Hooks } from '../core/hooks.ts'
import { repeatedRunId } from '../core/ids.ts'
import { type Json, toJsonText } from '../core/json.ts'
import type { Logger } from '../core/logger.ts'
import type { CompiledGraph } from '../flow/compile.ts'
import { errorOfResult } from '../flow/fail.ts'
import type { FlowNode, NodePolicies } from '../flow/flow-definition.ts'
import { calleeOf, type TaskNode, type WorkNode } from '../flow/graph.ts'
import { isSkip } from '../flow/skip.ts'
import type { TaskDefinition } from '../flow/task-definition.ts'
import type { StoredRunOptions } from '../producer/envelope.ts'
import type { Queues } from '../producer/queues.ts'
import { decideRetry } from '../strategies/decide.ts'
import { brokenPolicy } from '../strategies/define-policy.ts'
import { drawFor } from '../strategies/draw.ts'
import { quote } from '../strategies/option-schemas.ts'
import { maxInterruptionsOf } from '../strategies/policy-limits.ts'
import type { PolicyRegistry } from '../strategies/policy-registry.ts'
import type { Policy } from '../strategies/policy-types.ts'
import { choosePolicy } from '../strategies/precedence.ts'
import type { RetryOption } from '../strategies/shorthand.ts'
import type { AttemptAbort, AttemptAborted } from './aborts.ts'
import { admit } from './admission.ts'
import { AttemptContext } from './attempt-context.ts'
import {
  type AttemptEnd,
  conditionFalse,
  decided,
  interrupted,
  invalidInput,
  noHandler,
  notYet,
  skipped,
  stopped,
} from './attempt-end.ts'
import { Children } from './children.ts'
import type { Handlers } from './handlers.ts'
import { lockKeyOf } from './lock-key.ts'
import type { Locks } from './locks.ts'
import type { WorkerSettings } from './options.ts'
import { workRunOf } from './repeated-nodes.ts'
import type { RunValues } from './values.ts'

/** The failure of an attempt whose result `failWhen` refused. */
class ResultRefused extends Error {
  override readonly name = 'ResultRefused'

  constructor() {
    super('failWhen(output) gave true for the result')
  }
}

/** What an attempt runs in: shared by all attempts of a worker. */
export interface AttemptSurroundings {
  readonly handlers: Handlers
  readonly policies: PolicyRegistry
  readonly settings: WorkerSettings
  readonly logger: Logger
  readonly coordinator: Coordinator
  readonly queues: Queues
  readonly hooks: Hooks
  readonly sharedLimits: SharedLimits
  readonly locks: Locks
}

/** One granted attempt at a node that calls a task. */
export interface TaskAttempt extends Attempt {
  readonly node: TaskNode
  readonly template: TaskNode
}

/** One granted attempt. */
export interface Attempt {
  readonly runId: string
  readonly delivery: Delivery
  readonly graph: CompiledGraph
  /** With the key that it has in its run. */
  readonly node: WorkNode
  /** The node of the graph: of a map's item, the one that it is an instance of. */
  readonly template: WorkNode
  readonly grant: Grant
  readonly options: StoredRunOptions
  readonly values: RunValues
  readonly openedAt: number
  /** Where it runs: the queue and priority of its job. */
  readonly place: Place
  /** When the grant arrived here, by this process' monotonic clock. */
  readonly receivedAt: number
  readonly abort: AttemptAbort
}

/** Executes one granted attempt: condition, input, handler, result, decision. It throws only when Redis can’t be read. */
export async function executeAttempt(
  around: AttemptSurroundings,
  attempt: TaskAttempt,
): Promise<AttemptEnd> {
  const { node, graph, grant, values } = attempt
  if (node.if && (await values.fillIn(grant.index, node.if)) !== true) return conditionFalse()
  const flowNode = around.handlers.node(graph.graph.flow, attempt.template)
  const { unknownTaskTimeoutMs } = around.settings
  if (!flowNode) return noHandler(`the task ${node.task}`, unknownTaskTimeoutMs)
  const bound = bindPolicy(
    around,
    policyFor(around.settings, attempt, flowNode, flowNode.task.retry),
  )
  if ('missing' in bound) return noHandler(`the policy ${bound.missing}`, unknownTaskTimeoutMs)
  const { policy } = bound
  const input = (await values.fillIn(grant.index, node.input)) ?? null
  const parsed = await parse(flowNode.task.input, input)
  if (!parsed.success) return invalidInput(node, parsed.error)
  const history = grant.attempt === 1 ? [] : await readHistory(around, attempt)
  const call = { flowNode, policy, history, input, parsedInput: parsed.data, lock: null }
  let lock: string | null
  try {
    lock = lockKeyOf(attempt.template, flowNode.task, sinceRetried(history), parsed.data)
  } catch (thrown) {
    return await failed(around, attempt, call, thrown)
  }
  return lock === null
    ? await underLimits(around, attempt, call)
    : await underLock(around, attempt, { ...call, lock })
}

/**
 * The lock comes first: what waits for it has spent no token of a budget and is no probe of a breaker, and what has to wait
 * for those gives it back at once, so that it keeps nobody from it.
 */
async function underLock(
  around: AttemptSurroundings,
  attempt: TaskAttempt,
  call: HandlerCall & { readonly lock: string },
): Promise<AttemptEnd> {
  const { runId, grant, abort } = attempt
  const holder = { runId, index: grant.index, attempt: grant.attempt }
  const lock = await around.locks.take(call.lock, holder, abort)
  if (lock.status === 'wait') return notYet(lock)
  let end: AttemptEnd = null
  try {
    end = await underLimits(around, attempt, call)
    return end && { ...end, lock }
  } finally {
    // Nobody will settle it.
    if (!end) await lock.release()
  }
}

async function underLimits(
  around: AttemptSurroundings,
  attempt: TaskAttempt,
  call: HandlerCall,
): Promise<AttemptEnd> {
  const { runId, grant } = attempt
  const admission = await admit(around, call.policy, {
    runId,
    index: grant.index,
    attempt: grant.attempt,
    retriesUsed: grant.retriesUsed,
    history: call.history,
  })
  if (admission.status === 'wait') return notYet(admission)
  let end: AttemptEnd = null
  try {
    end = await runHandler(around, attempt, call)
    return end
  } finally {
    await admission.report(end)
  }
}

/** What has been found out before the handler is called. */
interface HandlerCall {
  readonly flowNode: FlowNode
  readonly policy: Policy | null
  readonly history: readonly LoggedAttempt[]
  readonly input: Json
  /** The input as the task's schema gives it. */
  readonly parsedInput: unknown
  /** The key of the lock that it has. */
  readonly lock: string | null
}

async function runHandler(
  around: AttemptSurroundings,
  attempt: TaskAttempt,
  call: HandlerCall,
): Promise<AttemptEnd> {
  try {
    const result = await callHandler(around, attempt, call)
    return { outcome: { kind: 'succeeded', result }, failure: null, decision: null }
  } catch (thrown) {
    return await failed(around, attempt, call, thrown)
  }
}

async function callHandler(
  around: AttemptSurroundings,
  attempt: TaskAttempt,
  { flowNode, policy, history, input, parsedInput }: HandlerCall,
): Promise<string> {
  const { task } = flowNode
  const { graph, node, grant, abort } = attempt
  const context = new AttemptContext({
    run: {
      ...lineageOf(attempt),
      retryNumber: attempt.options.rerun?.retryNumber ?? 0,
      flow: graph.graph.flow,
    },
    workRunId: workRunOf(attempt.runId, grant.index, attempt.options.rerun),
    node,
    grant,
    policy,
    previousFailures: history.flatMap((entry) => failureOfEntry(entry) ?? []),
    abort,
    logger: around.logger,
    inputText: JSON.stringify(input),
    newChildren: () =>
      new Children(around, {
        ...lineageOf(attempt),
        workRunId: workRunOf(attempt.runId, grant.index, attempt.options.rerun),
        node,
        grant,
        signal: abort.signal,
      }),
  })
  const limitMs = flowNode.timeoutMs ?? task.timeoutMs ?? around.settings.defaultTimeoutMs
  if (limitMs !== null) abort.startTimeout(limitMs)
  const output = await abort.race(() => task.run(parsedInput, context))
  return toJsonText(await acceptResult(task, output), 'result')
}

/** The result to store. Throws what a result that is a failure stands for. */
async function acceptResult(
  { output, failWhen }: TaskDefinition,
  returned: unknown,
): Promise<unknown> {
  const error = errorOfResult(returned)
  if (error !== undefined) throw error
  const result = output ? await checkOutput(output, returned) : returned
  if (failWhen) checkResult(failWhen, result)
  return result
}

// Trust border: the compiler has checked that the function takes what the handler returns.
function checkResult(failWhen: (output: never) => unknown, result: unknown): void {
  const isFailure = failWhen(result as never)
  if (isFailure === true) throw new ResultRefused()
  if (isFailure === false) return
  throw new TypeError(`failWhen(output): expected true or false, got ${quote(isFailure)}`)
}

async function checkOutput(schema: z.ZodType, output: unknown): Promise<unknown> {
  const parsed = await parse(schema, output)
  if (parsed.success) return parsed.data
  throw new TypeError(
    `the result does not fit the task's output schema:\n${z.prettifyError(parsed.error)}`,
  )
}

/** Schemas may be asynchronous, and may throw: that is an input that does not fit. */
export async function parse(
  schema: z.ZodType,
  value: unknown,
): Promise<z.ZodSafeParseResult<unknown>> {
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

export async function failed(
  around: AttemptSurroundings,
  attempt: Attempt,
  { policy, history, input, lock }: Pick<HandlerCall, 'policy' | 'history' | 'input' | 'lock'>,
  thrown: unknown,
): Promise<AttemptEnd> {
  const { aborted } = attempt.abort
  if (aborted?.abortCause === 'lease_lost') return null
  const error = storeError(aborted ?? thrown)
  const current = sinceRetried(history)
  if (aborted && aborted.abortCause !== 'timeout') return interruption(policy, current, aborted)
  if (!aborted && isSkip(thrown)) return skipped(error)
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
      task: calleeOf(node),
      flow: graph.graph.flow,
      run: { id: runId, rootId: lineageOf(attempt).rootId },
      input,
      priority,
      queue,
      lock,
      startedAt: grant.startedAt,
      firstStartedAt: current[0]?.startedAt ?? grant.startedAt,
      delays: current.flatMap(({ decision }) =>
        decision?.action === 'retry' ? [decision.delayMs] : [],
      ),
    },
    thrown: aborted ?? thrown,
    retriesUsed: grant.retriesUsed,
    attemptsBefore: await attemptsBefore(around, attempt),
    now: grant.startedAt + (performance.now() - attempt.receivedAt),
    retries: attempt.options.retries ?? around.settings.retries,
    random: () => drawFor(runId, node.key, grant.retriesUsed + 1),
  })
  return decided(kind, error, await possibleDecision(around, attempt, decision))
}

/** The node's attempts in the runs that this one repeats. If Redis can't be read, none: the failure must be settled. */
async function attemptsBefore(
  { coordinator }: AttemptSurroundings,
  { runId, grant }: Attempt,
): Promise<number> {
  let made = 0
  for (let id = repeatedRunId(runId); id !== null; id = repeatedRunId(id)) {
    made += await coordinator.readAttempts(id, grant.index).catch(() => 0)
  }
  return made
}

/** A manual retry begins anew: what came before it counts for no limit. */
function sinceRetried(history: readonly LoggedAttempt[]): readonly LoggedAttempt[] {
  return history.slice(history.findLastIndex(({ kind }) => kind === 'retried') + 1)
}

/** A graceful shutdown and a lost lock cost no retry; only `maxInterruptions` bounds how often. */
function interruption(
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

/**
 * Refuses a decision to retry in a queue that nobody serves, since the node would wait there for ever, and a lock for a node
 * that waits for a child run: no worker is with it then that could renew it.
 */
async function possibleDecision(
  { settings, coordinator }: AttemptSurroundings,
  { node }: Attempt,
  decision: RecordedDecision,
): Promise<RecordedDecision> {
  if (node.kind === 'run' && decision.action === 'retry' && decision.lock) {
    const detail = `${node.key} waits for child runs: it can't have a lock. Give one to a task of the flow ${node.child.flow}`
    return { action: 'stop', reason: 'policy_error', detail }
  }
  const queue = decision.action === 'retry' ? decision.place?.queue : undefined
  if (queue === undefined || settings.queues.has(queue)) return decision
  const { unknownTaskTimeoutMs } = settings
  // If Redis can't be read the decision stands: the handler has run, and its failure must be settled.
  const served = await coordinator.servedQueues(unknownTaskTimeoutMs).catch(() => null)
  if (served === null || served.includes(queue)) return decision
  const detail = `no worker has served the queue ${queue} in the last ${unknownTaskTimeoutMs} ms; served are: ${served.join(', ')}`
  return { action: 'stop', reason: 'policy_error', detail }
}

/** The run's place in its lineage. */
export function lineageOf({ runId, options: { parent, rerun } }: Attempt): {
  readonly id: string
  readonly rootId: string
  readonly parentId: string | null
} {
  return {
    id: runId,
    rootId: rerun?.rootId ?? parent?.rootId ?? runId,
    parentId: rerun?.of ?? parent?.runId ?? null,
  }
}

/** The node's ended attempts, oldest first. */
export async function readHistory(
  around: AttemptSurroundings,
  { runId, grant, openedAt }: Attempt,
): Promise<LoggedAttempt[]> {
  return await around.coordinator.readNodeLog(runId, grant.index, openedAt)
}

/** The policy with its plug-ins found, or the name of one that is not. One whose options don't fit shows it when it is asked: the task runs all the same. */
export function bindPolicy(
  { policies }: AttemptSurroundings,
  policy: Policy | null,
): { readonly policy: Policy | null } | { readonly missing: string } {
  try {
    return policy === null ? { policy } : policies.bind(policy)
  } catch (cause) {
    return { policy: brokenPolicy(cause) }
  }
}

/** The policy that counts for a node (precedence.ts). */
export function policyFor(
  settings: WorkerSettings,
  { options, template }: Attempt,
  { retry, flowRetry }: NodePolicies,
  taskRetry?: RetryOption,
): Policy | null {
  return choosePolicy({
    enqueue: options.nodes?.[template.key]?.retry ?? options.retry,
    node: retry,
    task: taskRetry,
    flow: flowRetry,
    worker: settings.defaultRetry,
  })
}
