import { z } from 'zod'
import { failureOfEntry } from '../coordinator/run-record.ts'
import { storeError } from '../core/failure.ts'
import { toJsonText } from '../core/json.ts'
import { errorOfResult } from '../flow/fail.ts'
import type { FlowNode } from '../flow/flow-definition.ts'
import type { TaskNode } from '../flow/graph.ts'
import type { TaskDefinition } from '../flow/task-definition.ts'
import { quote } from '../strategies/option-schemas.ts'
import { admit } from './admission.ts'
import {
  type Attempt,
  type AttemptSurroundings,
  lineageOf,
  readHistory,
  sinceRetried,
} from './attempt.ts'
import { AttemptContext } from './attempt-context.ts'
import { type AttemptEnd, conditionFalse, invalidInput, noHandler, notYet } from './attempt-end.ts'
import { bindPolicy, policyFor } from './attempt-policy.ts'
import { Children } from './children.ts'
import { type FailedCall, failed } from './failed-attempt.ts'
import { lockKeyOf } from './lock-key.ts'
import { workRunOf } from './repeated-nodes.ts'

/** The failure of an attempt whose result `failWhen` refused. */
class ResultRefused extends Error {
  override readonly name = 'ResultRefused'

  constructor() {
    super('failWhen(output) gave true for the result')
  }
}

/** One granted attempt at a node that calls a task. */
export interface TaskAttempt extends Attempt {
  readonly node: TaskNode
  readonly template: TaskNode
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
interface HandlerCall extends FailedCall {
  readonly flowNode: FlowNode
  /** The input as the task's schema gives it. */
  readonly parsedInput: unknown
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
