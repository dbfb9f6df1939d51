import { z } from 'zod'
import { DefinitionError } from '../core/errors.ts'
import { listOf, parseOptions, quote } from '../strategies/option-schemas.ts'
import type { RunRetryOption } from '../strategies/run-retry.ts'
import type { RetryOption } from '../strategies/shorthand.ts'
import { type Build, currentBuild, type Frame, newBuild, runBuild, runInFrame } from './build.ts'
import { deepFreeze } from './deep-freeze.ts'
import type { FlowDefinition } from './flow-definition.ts'
import {
  GRAPH_VERSION,
  type Graph,
  isWorkNode,
  MAX_NODES,
  MAX_UPSTREAMS,
  type Template,
} from './graph.ts'
import { MAX_INSTANCES, possibleInstances } from './instances.ts'
import { endOfItem } from './item-node.ts'
import type { Jsonify } from './jsonify.ts'
import { addMap, type Mapped } from './map.ts'
import type { MapOptions } from './map-options.ts'
import type { ItemOf, Mappable, MappableAs, MapResult } from './map-types.ts'
import { nameSchema, PREFIX_END, prioritySchema, queueSchema } from './names.ts'
import { takeFreeKey, takeKey } from './node-keys.ts'
import { type RunNodeOptions, retrySchema, runRetrySchema } from './node-options.ts'
import type { Arg, FlowOutput, Ref } from './ref-types.ts'
import { createRef, isRef } from './refs.ts'
import { type RunCall, runCall } from './run-node.ts'
import { zodSchema } from './schema-option.ts'
import { toTemplate } from './to-template.ts'
import { ignoreRejection } from './virtual-nodes.ts'

/** A flow as it is called in another flow's build function. */
export interface FlowCall<I, O> {
  /**
   * Puts the flow's nodes into the flow that is being built, under the prefix `name/`, and returns a Ref to its
   * output. Its build function runs again, with this input: the schema of its input doesn't parse it a second time.
   */
  (input: Arg<I>): Ref<O>
  /** The same call with another prefix. */
  with(options: FlowCallOptions): FlowCall<I, O>
  /**
   * Runs the whole flow for each item, as `map` of a task does: its nodes are there once for each item, under the
   * prefix `name[<item's key>]/`. The list has the flow's outputs.
   *
   * @example
   * const receipts = checkout.map(input.orders, (order) => ({ order, rates }), { tolerate: 0.1 })
   * @throws DefinitionError outside of a build function, and for arguments that don't fit
   */
  map<Items, Tolerate extends number | undefined = undefined>(
    items: Items & Mappable<Items>,
    fn: (item: Ref<ItemOf<Items>>, index: Ref<number>) => Arg<I>,
    options?: MapOptions<ItemOf<Items>, Tolerate>,
  ): MapResult<O, Tolerate>
  map<Items, Tolerate extends number | undefined = undefined>(
    items: Items & MappableAs<Items, I>,
    options?: MapOptions<ItemOf<Items>, Tolerate>,
  ): MapResult<O, Tolerate>
}

/** What `.with()` sets for one call of a flow in a flow. */
export interface FlowCallOptions {
  /** The prefix of its nodes' keys, instead of the flow's name (then `name-2`, …). */
  key?: string | undefined
}

/** A typed graph of tasks. Made by `flow()`. `I` is the raw input, `O` the output. */
export interface Flow<I, O> extends FlowCall<I, O>, FlowDefinition {
  readonly kind: 'flow'
  readonly name: string
  /**
   * A call that adds one node, which starts a run of this flow of its own (a child run) and waits for its end. While it
   * waits it holds no worker. Its value is the child's output; it fails with `RunFailed` when the child fails or is
   * cancelled, and a retry of it starts a new child run.
   *
   * @param options the node's key (by default the flow's name, then `name-2`, …), retry policy, queue, `if`, and so on
   * @example
   * const invoice = billing.asRun({ key: 'invoice', retry: 2 })({ order: order.id })
   * @throws DefinitionError that names the option, what was expected and what was got
   */
  asRun(options?: RunNodeOptions): RunCall<I, O>
}

/** Any flow, for lists of them. */
export type AnyFlow = Flow<never, unknown>

/** What `flow()` takes before the build function. */
export interface FlowOptions<Input extends z.ZodType> {
  /** 1 to 100 letters, digits, `.`, `_` and `-`. Runs refer to the flow by it. */
  name: string
  /** Parses the input, once, when a run is opened. Refs to the input refer to what it gives. */
  input: Input
  /** The policy of the nodes that have none of their own, nor by their task. An inlined flow's beats the outer one's. */
  retry?: RetryOption | undefined
  /**
   * When its runs that failed are retried as a whole, each by a new run. It says nothing of flows that this one is inlined
   * into.
   * @default never
   */
  runRetry?: RunRetryOption | undefined
  /** The queue of its runs, and of the nodes that have none of their own. */
  queue?: string | undefined
  /** BullMQ's priority of its runs and nodes: 0 first, at most 2,097,152. */
  priority?: number | undefined
  /**
   * The keys of the nodes whose failures count: its runs succeed if none of these failed, whatever the others did. It
   * says nothing of flows that this one is inlined into.
   * @default all nodes
   */
  succeedsWhen?: readonly string[] | undefined
}

type BuildFunction = (input: Ref<unknown>) => unknown

const flowSchema = z.strictObject({
  name: nameSchema,
  input: zodSchema,
  retry: retrySchema.optional(),
  runRetry: runRetrySchema.optional(),
  queue: queueSchema.optional(),
  priority: prioritySchema.optional(),
  succeedsWhen: listOf(z.string(), 'node keys').optional(),
})

const callSchema = z.strictObject({ key: nameSchema.optional() })

type CheckedFlowOptions = z.output<typeof flowSchema>

/**
 * Defines a flow.
 *
 * @param options its name and the schema of its input
 * @param build runs once, now, and synchronously. Calling a task in it adds a node and gives a Ref to its output; it
 *   returns a Ref, JSON with Refs in it, or nothing
 * @example
 * const example = flow({ name: 'example', input: z.object({ topic: z.string() }) }, (input) =>
 *   ping({ url: createPayload({ topic: input.topic }).url }),
 * )
 * @throws DefinitionError that names the option or the node, what was expected and what was got
 */
export function flow<Input extends z.ZodType, Result>(
  options: FlowOptions<Input>,
  build: (
    input: Ref<Jsonify<z.output<Input>>>,
  ) => Result & (Result extends PromiseLike<unknown> ? never : unknown),
): Flow<z.input<Input>, FlowOutput<Result>>
export function flow(
  options: FlowOptions<z.ZodType>,
  build: BuildFunction,
): Flow<unknown, unknown> {
  const checked = parseOptions(flowSchema, options, 'flow()')
  const { name } = checked
  if (typeof build !== 'function') {
    throw new DefinitionError(
      `flow(): ${name}: expected the build function as second argument, got ${quote(build)}`,
    )
  }
  const draft = newBuild(name, { prefix: '', retry: checked.retry })
  const graph = runBuild(draft, () => buildGraph(draft, build, checked.succeedsWhen))
  const call = callOf(checked, build, undefined)
  Object.defineProperty(call, 'name', { value: name })
  return Object.freeze(
    Object.assign(call, {
      kind: 'flow' as const,
      input: checked.input,
      graph,
      nodes: draft.flowNodes,
      runNodes: draft.runNodes,
      asRun: (options: RunNodeOptions = {}) => runCall(checked, options),
      ...placementOf(checked),
    }),
  )
}

function buildGraph(
  draft: Build,
  build: BuildFunction,
  succeedsWhen: readonly string[] | undefined,
): Graph {
  const input = createRef<unknown>(draft, { ref: 'input', path: [] }, 'input')
  const output = outputOf(build(input), draft.flow, draft)
  if (draft.nodes.length === 0) {
    throw new DefinitionError(
      `flow(): ${draft.flow}: expected a build function that calls a task, got a flow without nodes`,
    )
  }
  if (draft.nodes.length > MAX_NODES) {
    throw new DefinitionError(
      `flow(): ${draft.flow}: expected at most ${MAX_NODES} nodes, got ${draft.nodes.length}. Many calls of one task can be a map: task.map(items, …)`,
    )
  }
  if (possibleInstances(draft.nodes) > MAX_INSTANCES) {
    throw new DefinitionError(
      `flow(): ${draft.flow}: its maps inside of maps could have ${possibleInstances(draft.nodes)} items, ${MAX_INSTANCES} are possible. Give them a lower maxItems`,
    )
  }
  const crowded = draft.nodes.find((node) => node.upstreams.length > MAX_UPSTREAMS)
  if (crowded) {
    throw new DefinitionError(
      `flow(): ${draft.flow}: ${crowded.key} waits for ${crowded.upstreams.length} nodes, ${MAX_UPSTREAMS} are possible. Put nodes between that each wait for a part of them`,
    )
  }
  return deepFreeze({
    v: GRAPH_VERSION,
    flow: draft.flow,
    nodes: draft.nodes,
    output,
    ...(succeedsWhen && { succeedsWhen: decisiveNodes(draft, succeedsWhen) }),
  })
}

/** The indices of the nodes that `succeedsWhen` names, ascending. */
function decisiveNodes({ flow, nodes }: Build, keys: readonly string[]): number[] {
  const known = nodes.flatMap((node) =>
    node.map === undefined && (isWorkNode(node) || node.kind === 'group') ? [node.key] : [],
  )
  const strange = keys.find((key) => !known.includes(key))
  if (keys.length > 0 && strange === undefined) {
    return nodes.flatMap(({ key }, index) => (keys.includes(key) ? [index] : []))
  }
  const got = strange === undefined ? 'none' : quote(strange)
  throw new DefinitionError(
    `flow(): ${flow}: succeedsWhen: expected keys of nodes that call a task or start a run, or of maps (${known.slice(0, 20).join(', ')}), got ${got}`,
  )
}

function outputOf(result: unknown, name: string, build: Build): Template {
  if (!isRef(result) && result instanceof Promise) {
    ignoreRejection(result)
    throw new DefinitionError(
      `flow(): ${name}: expected a synchronous build function, got one that returns a Promise. What has to be awaited belongs into a task`,
    )
  }
  return toTemplate(result, `flow(): ${name}: output`, build)
}

function callOf(
  definition: CheckedFlowOptions,
  build: BuildFunction,
  key: string | undefined,
): FlowCall<unknown, unknown> {
  return Object.assign((input: unknown) => inline(definition, build, key, input), {
    with: (options: FlowCallOptions) =>
      callOf(
        definition,
        build,
        parseOptions(callSchema, options, `${definition.name}.with()`).key ?? key,
      ),
    map: (items: unknown, ...rest: readonly unknown[]) => {
      const { name } = definition
      const addBody: Mapped['addBody'] = (draft, itemKey, input) =>
        addFlowBody(draft, definition, build, itemKey + PREFIX_END, input)
      return addMap({ name, key, addBody }, items, rest)
    },
  })
}

/** Runs the build function once more, as a part of the build that is running. */
function inline(
  definition: CheckedFlowOptions,
  build: BuildFunction,
  key: string | undefined,
  input: unknown,
): Ref<unknown> {
  const { name } = definition
  const outer = currentBuild(
    () =>
      `flow ${quote(name)} was called outside of another flow's build function, where a call adds its nodes. To start a run, call producer.enqueue(flow, input)`,
  )
  const template = toTemplate(input, `${key ?? name}: input`, outer)
  const prefix = takePrefix(outer, name, key)
  return runInFrame(outer, innerFrame(outer.frame, definition, prefix), () => {
    const result = build(createRef(outer, template, `${prefix}input`))
    return createRef(outer, outputOf(result, name, outer), prefix.slice(0, -PREFIX_END.length))
  })
}

/** Runs the build function once more, for the items of a map. */
function addFlowBody(
  outer: Build,
  definition: CheckedFlowOptions,
  build: BuildFunction,
  prefix: string,
  input: Template,
): number {
  const first = outer.nodes.length
  return runInFrame(outer, innerFrame(outer.frame, definition, prefix), () => {
    const result = build(createRef(outer, input, `${prefix}input`))
    return endOfItem(outer, first, outputOf(result, definition.name, outer))
  })
}

function takePrefix(outer: Build, name: string, key: string | undefined): string {
  const { prefix } = outer.frame
  return key === undefined
    ? takeFreeKey(outer.keys, prefix + name, PREFIX_END)
    : takeKey(outer.keys, prefix + key + PREFIX_END, `${name}.with()`)
}

function innerFrame(outer: Frame, inner: CheckedFlowOptions, prefix: string): Frame {
  return {
    ...outer,
    prefix,
    retry: inner.retry ?? outer.retry,
    queue: inner.queue ?? outer.queue,
    priority: inner.priority ?? outer.priority,
  }
}

function placementOf({ retry, runRetry, queue, priority }: CheckedFlowOptions) {
  return {
    ...(retry && { retry }),
    ...(runRetry && { runRetry }),
    ...(queue === undefined ? {} : { queue }),
    ...(priority === undefined ? {} : { priority }),
  }
}
