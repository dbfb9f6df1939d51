import { quote } from '../strategies/option-schemas.ts'
import { addNode, currentBuild } from './build.ts'
import type { ChildTarget } from './graph.ts'
import { takeNodeKey } from './node-keys.ts'
import {
  type CheckedNodeOptions,
  checkRunNodeOptions,
  type RunNodeOptions,
} from './node-options.ts'
import type { Arg, Ref } from './ref-types.ts'
import { createRef } from './refs.ts'
import { nodeData, nodePolicies } from './task-node.ts'
import { toTemplate } from './to-template.ts'

/** Adds a node that starts a child run, and returns a Ref to that run's output. */
export type RunCall<I, O> = (input: Arg<I>) => Ref<O>

/** What is stored of the flow that a node runs. */
interface RunFlow {
  readonly name: string
  readonly queue?: string | undefined
  readonly priority?: number | undefined
}

/** `flow.asRun(options)`. */
export function runCall(flow: RunFlow, options: RunNodeOptions): RunCall<unknown, unknown> {
  const call = `${flow.name}.asRun()`
  const checked = checkRunNodeOptions(options, call)
  return (input) => addRunNode(flow, call, checked, input)
}

/** The flow need not be known where the node is executed: its name and its place are data of the graph. */
function addRunNode(
  flow: RunFlow,
  call: string,
  options: CheckedNodeOptions,
  input: unknown,
): Ref<unknown> {
  const { name } = flow
  const build = currentBuild(
    () =>
      `${call} of the flow ${quote(name)} was called outside of another flow's build function, where the call adds a node. To start a run, call producer.enqueue(flow, input)`,
  )
  const template = toTemplate(input, `${options.key ?? name}: input`, build)
  const key = takeNodeKey(build, name, options.key, call)
  const data = nodeData(build, { call }, options, template)
  const index = addNode(build, { kind: 'run', key, child: childOf(flow), ...data })
  build.runNodes.set(key, nodePolicies(build, options))
  return createRef(build, { ref: index, path: [] }, key)
}

function childOf({ name, queue, priority }: RunFlow): ChildTarget {
  return {
    flow: name,
    ...(queue === undefined ? {} : { queue }),
    ...(priority === undefined ? {} : { priority }),
  }
}
