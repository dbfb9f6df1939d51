import { DefinitionError } from '../core/errors.ts'
import { maxCrashesOf } from '../strategies/policy-limits.ts'
import { choosePolicy } from '../strategies/precedence.ts'
import { bodyUpstreams } from './bodies.ts'
import { addNode, type Build, currentBuild } from './build.ts'
import { operand } from './conditions.ts'
import type { Template } from './graph.ts'
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
  const condition = options.if && operand(options.if, `${name}.with(): if`, build)
  const data = [...nodesOf(template), ...(condition ? nodesOf(condition) : [])]
  const after = afterNodes(options.after ?? [], `${name}.with(): after`, build)
  const reaction = reactionOf(options)
  const upstreams = countsWhatIsSettled(reaction)
    ? checkTrigger(build, name, reaction, data, after)
    : bodyUpstreams(build, [...data, ...after])
  const index = addNode(build, {
    kind: 'task',
    key,
    task: name,
    input: template,
    ...reaction,
    ...(condition && { if: condition }),
    upstreams,
    ...placement(build, definition, options),
    ...(options.delay ? { delayMs: options.delay } : {}),
    ...crashLimit(build, definition, options),
  })
  build.flowNodes.set(key, {
    task: definition,
    ...(options.retry && { retry: options.retry }),
    ...(build.frame.retry !== undefined && { flowRetry: build.frame.retry }),
    ...(options.timeout !== undefined && { timeoutMs: options.timeout }),
  })
  return index
}

/** Where it runs. What the run itself decides is left out, so that it can be chosen when the run is enqueued. */
function placement(build: Build, definition: TaskDefinition, options: CheckedNodeOptions) {
  const queue = options.queue ?? definition.queue ?? build.frame.queue
  const priority = options.priority ?? definition.priority ?? build.frame.priority
  return {
    ...(queue === undefined ? {} : { queue }),
    ...(priority === undefined ? {} : { priority }),
  }
}

function crashLimit(build: Build, definition: TaskDefinition, options: CheckedNodeOptions) {
  const policy = choosePolicy({
    node: options.retry,
    task: definition.retry,
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
