import { runFailed } from '../coordinator/run-failure.ts'
import type { RunReader } from '../coordinator/run-reader.ts'
import type { LoggedAttempt } from '../coordinator/run-record.ts'
import { RepriseError } from '../core/errors.ts'
import { childRunId } from '../core/ids.ts'
import type { Json } from '../core/json.ts'
import type { RunNode } from '../flow/graph.ts'
import { makeRunJob } from '../producer/run-job.ts'
import type { Policy } from '../strategies/policy-types.ts'
import { admit } from './admission.ts'
import { type Attempt, type AttemptSurroundings, lineageOf, readHistory } from './attempt.ts'
import {
  type AttemptEnd,
  awaiting,
  conditionFalse,
  invalidInput,
  noHandler,
  notYet,
} from './attempt-end.ts'
import { bindPolicy, policyFor } from './attempt-policy.ts'
import { parse } from './execute-attempt.ts'
import { failed } from './failed-attempt.ts'

/** What starting and reading child runs needs. */
export interface ChildRunSurroundings extends AttemptSurroundings {
  readonly reader: RunReader
}

/** One granted attempt at a node that waits for a child run. */
export interface RunAttempt extends Attempt {
  readonly node: RunNode
  readonly template: RunNode
}

/** What an attempt knows before it looks at its child. */
interface ChildCall {
  readonly policy: Policy | null
  readonly history: readonly LoggedAttempt[]
  readonly input: Json
  readonly childId: string
  /** Such a node has none: nobody would renew it while the child runs. */
  readonly lock: null
  /** Tells the node's children apart: `<flow>#<n>`. */
  readonly key: string
}

/**
 * Makes a step of an attempt whose work is a child run: starts the child and leaves the attempt waiting, or, granted again
 * because the child has ended, ends the attempt as the child did. Each step may be repeated: the child's id is made of
 * run, node and how many children of the node have failed. It throws only when Redis can't be asked.
 */
export async function executeChildRun(
  around: ChildRunSurroundings,
  attempt: RunAttempt,
): Promise<AttemptEnd> {
  const { runId, node, graph, grant, values } = attempt
  if (node.if && (await values.fillIn(grant.index, node.if)) !== true) return conditionFalse()
  const { unknownTaskTimeoutMs } = around.settings
  const { flow } = graph.graph
  const policies = around.handlers.policies(flow, attempt.template)
  if (!policies) return noHandler(`the flow ${flow}`, unknownTaskTimeoutMs)
  const bound = bindPolicy(around, policyFor(around.settings, attempt, policies))
  if ('missing' in bound) return noHandler(`the policy ${bound.missing}`, unknownTaskTimeoutMs)
  const input = (await values.fillIn(grant.index, node.input)) ?? null
  const history = grant.attempt === 1 ? [] : await readHistory(around, attempt)
  const key = `${node.child.flow}#${1 + history.filter(hasReadChild).length}`
  const childId = childRunId(runId, node.key, key)
  const call = { policy: bound.policy, history, input, lock: null, childId, key }
  const known = await around.coordinator.readChild(runId, grant.index, key)
  return (known ? null : await hindrance(around, attempt, call)) ?? step(around, attempt, call)
}

/** A crash or an interruption leaves the child as it is: the next attempt goes on with it. */
function hasReadChild({ kind }: LoggedAttempt): boolean {
  return kind === 'error'
}

/** What keeps a child from being started: an input that its flow, if it is known here, refuses, or a shared limit. */
async function hindrance(
  around: ChildRunSurroundings,
  { runId, node, grant }: RunAttempt,
  { policy, history, input }: ChildCall,
): Promise<AttemptEnd> {
  const known = around.handlers.flow(node.child.flow)
  const parsed = known && (await parse(known.definition.input, input))
  if (parsed?.success === false) return invalidInput(node, parsed.error)
  const { index, attempt, retriesUsed } = grant
  const admission = await admit(around, policy, { runId, index, attempt, retriesUsed, history })
  if (admission.status === 'wait') return notYet(admission)
  // A breaker's permit can't be kept until the child ends: it learns nothing from it.
  await admission.report(null)
  return null
}

/** Starts the child, waits on, or takes its end. */
async function step(
  around: ChildRunSurroundings,
  attempt: RunAttempt,
  call: ChildCall,
): Promise<AttemptEnd> {
  const { delivery, grant, node, abort } = attempt
  const child = { runId: call.childId, flow: node.child.flow }
  const answer = await around.coordinator.awaitChild(delivery, grant, call.key, child)
  switch (answer.status) {
    case 'unopened':
      if (abort.aborted) return await failed(around, attempt, call, abort.aborted)
      await startChild(around, attempt, call)
      return awaiting(call.childId)
    case 'live':
      return awaiting(call.childId)
    case 'ended':
      return takeChild(await childEnd(around, attempt, call), call.childId)
    case 'gone':
      return takeChild(await childGone(around, attempt, call), call.childId)
    case 'refused':
      // The settle will be refused for the same reason.
      return awaiting(call.childId)
  }
}

async function startChild(
  { queues, hooks }: ChildRunSurroundings,
  attempt: RunAttempt,
  { childId, input }: ChildCall,
): Promise<void> {
  const { runId, node } = attempt
  const { flow, queue, priority } = node.child
  const parent = { runId, node: node.key, rootId: lineageOf(attempt).rootId }
  // The node's retries start other children: one that is retried as a whole would have nobody who waits for it.
  const options = { queue, priority, runRetry: false as const }
  const job = await makeRunJob(childId, { flow }, input, options, parent)
  await queues.add(job.queue, job.name, job.data, job.options)
  hooks.onRunEnqueued?.({ runId: childId, flow })
}

async function childEnd(
  around: ChildRunSurroundings,
  attempt: RunAttempt,
  call: ChildCall,
): Promise<AttemptEnd> {
  const child = await around.reader.read(call.childId)
  if (!child) return await childGone(around, attempt, call)
  if (child.state === 'succeeded') {
    const result = JSON.stringify((await around.reader.readOutput(child)) ?? null)
    return { outcome: { kind: 'succeeded', result }, failure: null, decision: null }
  }
  // The attempt has lasted until the child's end.
  const lastedMs = Math.max(0, (child.endedAt ?? 0) - attempt.grant.startedAt)
  const receivedAt = performance.now() - lastedMs
  return await failed(around, { ...attempt, receivedAt }, call, runFailed(child))
}

async function childGone(
  around: ChildRunSurroundings,
  attempt: RunAttempt,
  call: ChildCall,
): Promise<AttemptEnd> {
  const { childId } = call
  const gone = `the child run ${childId} of ${attempt.node.key} is gone: it was started, and its state exists no more`
  return await failed(around, attempt, call, new RepriseError('unknown_run', gone))
}

/** From the settle on the child need not be kept for this node any longer. */
function takeChild(end: AttemptEnd, child: string): AttemptEnd {
  if (
    end?.outcome.kind === 'succeeded' ||
    end?.outcome.kind === 'failed' ||
    end?.outcome.kind === 'retry'
  ) {
    return { ...end, outcome: { ...end.outcome, child } }
  }
  return end
}
