import { z } from 'zod'
import type { Duration } from '../core/duration.ts'
import { RepriseError } from '../core/errors.ts'
import type { RunRetryOption } from '../strategies/run-retry.ts'
import type { RetryOption } from '../strategies/shorthand.ts'
import { ITEM_MARK, nameSchema, prioritySchema, queueSchema } from './names.ts'

/** The options of one enqueue. */
export interface EnqueueOptions {
  /** How long to wait before the run is opened. */
  readonly delay?: Duration | undefined
  /**
   * BullMQ's priority of the flow job: 0 first, then 1 to 2,097,152.
   * @default 0
   */
  readonly priority?: number | undefined
  /** The queue; by default the flow's or task's, else `default`. */
  readonly queue?: string | undefined
  /** A policy for all nodes of this run; beats every other. Only data: a function can't be sent. */
  readonly retry?: RetryOption | undefined
  /** `'off'`: nothing in this run is retried. */
  readonly retries?: 'off' | undefined
  /**
   * When the run is retried as a whole if it fails, by a new run; beats the flow's and the worker's. Only data.
   * @default the flow's, else the worker's, else never
   */
  readonly runRetry?: RunRetryOption | undefined
  /** Policies for single nodes of this run, by key; beat `retry`. The items of a map share one: `fetch[*]`. */
  readonly nodes?:
    | { readonly [key: string]: { readonly retry?: RetryOption | undefined } }
    | undefined
  readonly tags?: readonly string[] | undefined
  /**
   * Refuse the run (`no_worker`) if no live worker knows the flow or task, or a policy that the enqueue names. A worker
   * that was killed counts as live for up to 15 s.
   * @default false
   */
  readonly checkWorkers?: boolean | undefined
}

/** The options of an enqueue in a handler. */
export interface ChildOptions extends Omit<EnqueueOptions, 'checkWorkers'> {
  /**
   * What tells this call from the node's others: all attempts of the node get one child for it. As a task's name.
   * @default '<name>#1', '<name>#2', … in the order of the calls for this flow or task
   */
  readonly key?: string | undefined
}

const shape = {
  delay: z.union([z.number(), z.string()]).optional(),
  priority: prioritySchema.optional(),
  queue: queueSchema.optional(),
  retry: z.unknown().optional(),
  retries: z.literal('off').optional(),
  runRetry: z.unknown().optional(),
  nodes: z.record(z.string(), z.strictObject({ retry: z.unknown().optional() })).optional(),
  tags: z.array(z.string()).optional(),
}

const enqueueSchema = z.strictObject({ ...shape, checkWorkers: z.boolean().optional() })
const childSchema = z.strictObject({ ...shape, key: nameSchema.optional() })

/** @throws RepriseError (`options`) that says which option, what was expected and what was got */
export function checkEnqueueOptions(options: EnqueueOptions): void {
  check(enqueueSchema.safeParse(options))
}

/** @throws RepriseError (`options`) that says which option, what was expected and what was got */
export function checkChildOptions(options: ChildOptions): void {
  check(childSchema.safeParse(options))
}

/**
 * Checks that `nodes` names nodes of what is enqueued.
 *
 * @param known the keys of its nodes that call a task or start a run
 * @throws RepriseError (`options`) for another key
 */
export function checkNodeKeys({ nodes = {} }: EnqueueOptions, known: readonly string[]): void {
  const strange = Object.keys(nodes).find((key) => !known.includes(key))
  if (strange === undefined) return
  const items = strange + ITEM_MARK
  const hint = known.includes(items) ? `. The items of this map are ${JSON.stringify(items)}` : ''
  throw new RepriseError(
    'options',
    `enqueue options: nodes: expected keys of nodes that call a task (${known.slice(0, 20).join(', ')}), got ${JSON.stringify(strange)}${hint}`,
  )
}

function check(parsed: z.ZodSafeParseResult<unknown>): void {
  if (parsed.success) return
  throw new RepriseError('options', `enqueue options: ${z.prettifyError(parsed.error)}`)
}
