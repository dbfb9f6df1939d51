import { z } from 'zod'
import type { Duration } from '../core/duration.ts'
import { DefinitionError } from '../core/errors.ts'
import { checked, parseOptions, quote } from '../strategies/option-schemas.ts'
import { LOCK_KEY } from '../strategies/place.ts'
import type { RetryOption } from '../strategies/shorthand.ts'
import type { TaskContext } from './context.ts'
import type { FailedResult } from './fail.ts'
import type { IsAny, Stored } from './jsonify.ts'
import { addMap, type Mapped } from './map.ts'
import type { MapOptions } from './map-options.ts'
import type { ItemOf, Mappable, MappableAs, MapResult } from './map-types.ts'
import { lockSchema, nameSchema, prioritySchema, queueSchema } from './names.ts'
import {
  type CheckedNodeOptions,
  checkNodeOptions,
  type NodeOptions,
  retrySchema,
  timeoutSchema,
} from './node-options.ts'
import type { Arg, Ref } from './ref-types.ts'
import { zodSchema } from './schema-option.ts'
import type { TaskDefinition, TaskLock } from './task-definition.ts'
import { addTaskNode, callTask } from './task-node.ts'

/** What can be called in a build function. `I` is the raw input, `O` the stored output. */
export interface TaskCall<I, O> {
  /** Adds a node to the flow that is being built, and returns a Ref to its output. */
  (input: Arg<I>): Ref<O>
  /** The same call with options for the one node that it makes. */
  with(options: NodeOptions): TaskCall<I, O>
  /**
   * Adds a node for each item, however many there are when the flow runs, and returns a Ref to the list of their
   * outputs, in the order of the items. With `tolerate` the list tells of each item how it ended, as `settled` does. A
   * map of such a Ref goes on with each item as soon as that is done.
   *
   * @param items a Ref to an array, or an array with Refs in it
   * @param fn makes the input for one item. It runs once, at definition, with Refs, and can't call tasks. Without it
   *   the item is the input
   * @example
   * const pages = fetchPage.map(input.urls, (url) => ({ url, tries: 3 }), { key: (url) => url })
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

/** A typed function that workers execute. Made by `task()`. */
export interface Task<I, O> extends TaskCall<I, O> {
  readonly kind: 'task'
  readonly definition: TaskDefinition
}

/** Any task, for lists of them. */
export type AnyTask = Task<never, unknown>

/** What `task()` takes before the handler. */
export interface TaskOptions<Input extends z.ZodType, Result = unknown> {
  /** 1 to 100 letters, digits, `.`, `_` and `-`. Handlers are found by it: don't use it for two tasks. */
  name: string
  /** Parses the input, once per attempt; the handler gets what it gives. */
  input: Input
  /**
   * True for a result that is a failure: the attempt ends as if the handler had thrown (`ResultRefused`). It gets what
   * the handler returned, or what `output` made of it. The compiler knows that type where there is an `output`; else
   * write it at the parameter.
   */
  failWhen?: ((output: Result) => boolean) | undefined
  /** When and how often a failed attempt is repeated: a number of retries, or a policy. */
  retry?: RetryOption | undefined
  /** How long one attempt may take, such as `'30s'`. Then `ctx.signal` is aborted and the attempt failed. */
  timeout?: Duration | undefined
  /** The queue that it runs in; the flow's if absent. */
  queue?: string | undefined
  /** BullMQ's priority: 0 first, at most 2,097,152; the flow's if absent. */
  priority?: number | undefined
  /**
   * The key of a lock, 1 to 256 characters, or a function that makes one of the parsed input: of all attempts in the
   * namespace that need it one runs at a time, in the order in which they came. Others wait, at no cost. It is looked up in
   * the worker that executes. If the function throws or gives something else, the attempt fails.
   */
  lock?: string | ((input: z.output<Input>) => string) | undefined
}

/** A handler: the second argument tells it about its attempt. */
type Handler<Input extends z.ZodType, Result> = (
  input: z.output<Input>,
  context: TaskContext,
) => Result | Promise<Result>

/** What a handler gives if it doesn't `return fail(error)`. */
type Succeeding<Result> = IsAny<Result> extends true ? Result : Exclude<Result, FailedResult>

const taskSchema = z.strictObject({
  name: nameSchema,
  input: zodSchema,
  output: zodSchema.optional(),
  failWhen: checked<(output: never) => boolean>(
    'a function (output) => boolean',
    (value) => typeof value === 'function',
  ).optional(),
  retry: retrySchema.optional(),
  timeout: timeoutSchema.optional(),
  queue: queueSchema.optional(),
  priority: prioritySchema.optional(),
  lock: z
    .union([lockSchema, checked<TaskLock>('', (value) => typeof value === 'function')], {
      error: (issue) =>
        `expected ${LOCK_KEY}, or a function (input) => key, got ${quote(issue.input)}`,
    })
    .optional(),
})

/**
 * Defines a task.
 *
 * @param options its name, the schema of its input and, with `output`, of its result
 * @param run the handler; any worker that knows the task may execute it, more than once if it fails
 * @example
 * const ping = task(
 *   { name: 'ping', input: z.object({ url: z.url() }), retry: 5, timeout: '30s' },
 *   async ({ url }, ctx) => (await fetch(url, { signal: ctx.signal })).text(),
 * )
 * @throws DefinitionError that names the option, what was expected and what was got
 */
export function task<Input extends z.ZodType, Result>(
  options: TaskOptions<Input> & { output?: undefined; failWhen?: undefined },
  run: Handler<Input, Result>,
): Task<z.input<Input>, Stored<Succeeding<Result>>>
export function task<Input extends z.ZodType, Result>(
  options: TaskOptions<Input, Result> & {
    output?: undefined
    failWhen: (output: Result) => boolean
  },
  run: Handler<Input, Result | FailedResult>,
): Task<z.input<Input>, Stored<Result>>
export function task<Input extends z.ZodType, Output extends z.ZodType>(
  options: TaskOptions<Input, z.output<Output>> & { output: Output },
  run: Handler<Input, z.input<Output> | FailedResult>,
): Task<z.input<Input>, Stored<z.output<Output>>>
export function task(
  options: TaskOptions<z.ZodType, never> & { output?: z.ZodType | undefined },
  run: Handler<z.ZodType, unknown>,
): Task<unknown, unknown> {
  const definition = defineTask(options, run)
  return Object.freeze(Object.assign(callOf(definition, {}), { kind: 'task' as const, definition }))
}

function defineTask(options: object, run: Handler<z.ZodType, unknown>): TaskDefinition {
  const { name, input, output, failWhen, retry, timeout, queue, priority, lock } = parseOptions(
    taskSchema,
    options,
    'task()',
  )
  if (typeof run !== 'function') {
    throw new DefinitionError(
      `task(): ${name}: expected the handler, a function, as second argument, got ${quote(run)}`,
    )
  }
  return Object.freeze({
    name,
    input,
    run,
    ...(output && { output }),
    ...(failWhen && { failWhen }),
    ...(retry && { retry }),
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
    ...(queue === undefined ? {} : { queue }),
    ...(priority === undefined ? {} : { priority }),
    ...(lock === undefined ? {} : { lock }),
  })
}

function callOf(
  definition: TaskDefinition,
  options: CheckedNodeOptions,
): TaskCall<unknown, unknown> {
  const call = (input: unknown) => callTask(definition, options, input)
  Object.defineProperty(call, 'name', { value: definition.name })
  return Object.assign(call, {
    with: (more: NodeOptions) =>
      callOf(definition, { ...options, ...checkNodeOptions(more, definition.name) }),
    map: (items: unknown, ...rest: readonly unknown[]) => {
      const { name } = definition
      const addBody: Mapped['addBody'] = (build, key, input) =>
        addTaskNode(build, definition, options, input, key)
      return addMap({ name, key: options.key, addBody }, items, rest)
    },
  })
}
