import { DefinitionError } from '../core/errors.ts'
import { maxCrashesOf } from '../strategies/policy-limits.ts'
import { choosePolicy } from '../strategies/precedence.ts'
import { bodyUpstreams } from './bodies.ts'
import { addNode, type Build, currentBuild } from './build.ts'
import { operand } from './conditions.ts'
import type { NodePolicies } from './flow-definition.ts'
import type { TaskNode, Template } from './graph.ts'
import { takeNodeKey } from './node-keys.ts'
import type { CheckedNodeOptions } from './node-options.ts'
import type { Ref, RefOf } from './ref-types.ts'
import { createRef, ownTarget, refTarget } from './refs.ts'
import type { TaskDefinition } from './task-definition.ts'
import { nodesOf } from './templates.ts'
import { toTemplate } from './to-template.ts'
import { propagatesSkips } from './trigger.ts'
import { checkTrigger } from './trigger-check.ts'
import { countsWhatIsSettled } from './upstreams.ts'

/** A call of a task in a build function: adds the node. */
export function callTask(
  definition: TaskDefinition,
  options: CheckedNodeOptions,
  input: unknown,
): Ref<unknown> {
  const { name } = definition
  const build = currentBuild(
    () =>
      `task ${JSON.stringify(name)} was called outside of a flow's build function, where a call adds a node. To run it on its own, call producer.enqueue(task, input)`,
  )
  const template = toTemplate(input, `${options.key ?? name}: input`, build)
  const key = takeNodeKey(build, name, options.key)
  const index = addTaskNode(build, definition, options, template, key)
  return createRef(build, { ref: index, path: [] }, key)
}

/** @returns the index of the node */
export function addTaskNode(
  build: Build,
  definition: TaskDefinition,
  options: CheckedNodeOptions,
  template: Template,
  key: string,
): number {
  const { name } = definition
  const data = nodeData(build, { ...definition, call: `${name}.with()` }, options, template)
  const lock = options.lock === undefined ? {} : { lock: options.lock }
  const index = addNode(build, { kind: 'task', key, task: name, ...data, ...lock })
  build.flowNodes.set(key, {
    task: definition,
    ...nodePolicies(build, options),
    ...(options.timeout !== undefined && { timeoutMs: options.timeout }),
  })
  return index
}

/** What a node calls, and what holds where neither the node nor the flow says more. */
export interface Callee extends Pick<TaskDefinition, 'queue' | 'priority' | 'retry'> {
  /** The call that takes the node's options, for messages. */
  readonly call: string
}

/** The data that nodes have which call a task or start a run, besides their key. */
export function nodeData(
  build: Build,
  callee: Callee,
  options: CheckedNodeOptions,
  template: Template,
): Omit<TaskNode, 'kind' | 'key' | 'task' | 'map' | 'lock'> {
  const { call } = callee
  const condition = options.if && operand(options.if, `${call}: if`, build)
  const data = [...nodesOf(template), ...(condition ? nodesOf(condition) : [])]
  const after = afterNodes(options.after ?? [], `${call}: after`, build)
  const reaction = reactionOf(options)
  const upstreams = countsWhatIsSettled(reaction)
    ? checkTrigger(build, call, reaction, data, after)
    : bodyUpstreams(build, [...data, ...after])
  return {
    input: template,
    ...reaction,
    ...(condition && { if: condition }),
    upstreams,
    ...placement(build, callee, options),
    ...(options.delay ? { delayMs: options.delay } : {}),
    ...crashLimit(build, callee, options),
  }
}

/** The policies that a worker finds for a node, besides its task's. */
export function nodePolicies({ frame }: Build, { retry }: CheckedNodeOptions): NodePolicies {
  return {
    ...(retry && { retry }),
    ...(frame.retry !== undefined && { flowRetry: frame.retry }),
  }
}

/** Where it runs. What the run itself decides is left out, so that it can be chosen when the run is enqueued. */
function placement(build: Build, callee: Callee, options: CheckedNodeOptions) {
  const queue = options.queue ?? callee.queue ?? build.frame.queue
  const priority = options.priority ?? callee.priority ?? build.frame.priority
  return {
    ...(queue === undefined ? {} : { queue }),
    ...(priority === undefined ? {} : { priority }),
  }
}

function crashLimit(build: Build, callee: Callee, options: CheckedNodeOptions) {
  const policy = choosePolicy({
    node: options.retry,
    task: callee.retry,
    flow: build.frame.retry,
  })
  return policy ? { maxCrashes: maxCrashesOf(policy) } : {}
}

function afterNodes(refs: readonly RefOf<unknown>[], what: string, build: Build): number[] {
  return refs.flatMap((ref, position) => {
    const path = `${what}[${position}]`
    const found = refTarget(ref)
    const template = found && ownTarget(found, path, build).template
    const nodes = template === undefined ? [] : nodesOf(template)
    if (nodes.length > 0) return nodes
    throw new DefinitionError(
      `${path}: expected a Ref to a node's value, got one that no node makes: there is nothing to wait for`,
    )
  })
}

/** What is the trigger's own answer is left out, so that equal nodes are equal data. */
function reactionOf({ trigger = 'all_success', skipOnUpstreamSkip }: CheckedNodeOptions) {
  const isDefault =
    skipOnUpstreamSkip === undefined || skipOnUpstreamSkip === propagatesSkips(trigger)
  return { trigger, ...(isDefault ? {} : { skipOnUpstreamSkip }) }
}
