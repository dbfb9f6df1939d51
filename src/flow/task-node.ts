import { DefinitionError } from '../core/errors.ts'
import { maxCrashesOf } from '../strategies/policy-limits.ts'
import { choosePolicy } from '../strategies/precedence.ts'
import { type Build, currentBuild } from './build.ts'
import type { GraphNode, Template } from './graph.ts'
import { takeFreeKey, takeKey } from './node-keys.ts'
import type { CheckedNodeOptions } from './node-options.ts'
import type { Ref, RefOf } from './ref-types.ts'
import { createRef, ownTarget, refTarget } from './refs.ts'
import type { TaskDefinition } from './task-definition.ts'
import { sourcesOf } from './templates.ts'
import { toTemplate } from './to-template.ts'

/** A call of a task in a build function: adds the node. */
export function addTaskNode(
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
  const data = nodesOf(template)
  const after = afterNodes(options.after ?? [], `${name}.with(): after`, build)
  const trigger = options.trigger ?? 'all_success'
  if (trigger === 'any_failed') checkAnyFailed(build, name, data, after)
  const key = keyFor(build, name, options.key)
  const index = build.nodes.push({
    kind: 'task',
    key,
    task: name,
    input: template,
    trigger,
    upstreams: ascending([...data, ...after]),
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
  return createRef(build, { ref: index - 1, path: [] }, key)
}

function keyFor(build: Build, name: string, chosen: string | undefined): string {
  const { prefix } = build.frame
  return chosen === undefined
    ? takeFreeKey(build.keys, prefix + name)
    : takeKey(build.keys, prefix + chosen, `${name}.with()`)
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

function nodesOf(template: Template): number[] {
  return [...sourcesOf(template)].filter((source) => source !== 'input')
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

/** What it uses must have a value also when something failed; and something must be able to fail. */
function checkAnyFailed(build: Build, name: string, data: number[], after: number[]): void {
  const trigger = "trigger: 'any_failed'"
  for (const index of data) {
    const node = build.nodes[index]
    if (node?.kind === 'task' || node?.kind === 'gate') {
      throw new DefinitionError(
        `${name}.with(): ${trigger}: the input uses ${node.key}, which may have no value then. Wait for it with after: [ref], and pass settled(ref) if its outcome is needed`,
      )
    }
  }
  const canFail = [...data, ...after].some((index) => mayFail(build.nodes[index]))
  if (canFail) return
  throw new DefinitionError(
    `${name}.with(): ${trigger}: expected a node in after: [...] that can fail, got none: it would never start`,
  )
}

function mayFail(node: GraphNode | undefined): boolean {
  return node?.kind === 'task' || node?.kind === 'join'
}

function ascending(indices: readonly number[]): number[] {
  return [...new Set(indices)].sort((a, b) => a - b)
}
