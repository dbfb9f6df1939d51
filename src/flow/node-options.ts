import { inspect } from 'node:util'
import { z } from 'zod'
import type { Duration } from '../core/duration.ts'
import { DefinitionError } from '../core/errors.ts'
import { checked, durationSchema, listOf, parseOptions } from '../strategies/option-schemas.ts'
import { type RunRetryOption, readRunRetry } from '../strategies/run-retry.ts'
import { type RetryOption, toPolicy } from '../strategies/shorthand.ts'
import { lockSchema, nameSchema, prioritySchema, queueSchema } from './names.ts'
import type { RefOf } from './ref-types.ts'
import { isRef } from './refs.ts'
import { isTrigger, NAMED_TRIGGERS, type Trigger } from './trigger.ts'

/** What `.with()` sets for one node. */
export interface NodeOptions {
  /** The node's key, instead of the task's name (then `name-2`, …). */
  key?: string | undefined
  /** The node's retry policy, used whole instead of the task's and the flow's. */
  retry?: RetryOption | undefined
  /** How long one attempt may take. */
  timeout?: Duration | undefined
  /** The queue that it runs in. */
  queue?: string | undefined
  /** BullMQ's priority: 0 first, at most 2,097,152. */
  priority?: number | undefined
  /** The key of the lock that its attempts need, instead of the task's: 1 to 256 characters. */
  lock?: string | undefined
  /**
   * When it starts, seen from the nodes that it waits for. All but `all_success` take those from `after`, `settled`,
   * `orElse` and `firstOf`.
   * @default 'all_success'
   */
  trigger?: Trigger | undefined
  /**
   * Whether it is skipped when it would run but a node that it waits for was skipped.
   * @default true for `all_success`, false for all others, where a skip counts as a success
   */
  skipOnUpstreamSkip?: boolean | undefined
  /** Must be true when its turn comes, else it is skipped. See `is`, `not`, `and`, `or`. */
  if?: RefOf<boolean> | undefined
  /** Nodes to wait for without using their values. */
  after?: readonly RefOf<unknown>[] | undefined
  /** How long it waits after it could start. */
  delay?: Duration | undefined
}

/** What `flow.asRun()` sets for the node that it makes. An attempt of it is one child run. */
export type RunNodeOptions = Omit<NodeOptions, 'timeout' | 'lock'>

/** A retry option, as the policy that it stands for. */
export const retrySchema = z.custom<RetryOption>().transform((value, context) => {
  try {
    return toPolicy(value, 'retry')
  } catch (cause) {
    if (!(cause instanceof DefinitionError)) throw cause
    context.addIssue(cause.message)
    return z.NEVER
  }
})

/** A run-retry option, as data. */
export const runRetrySchema = z.custom<RunRetryOption>().transform((value, context) => {
  try {
    return readRunRetry(value)
  } catch (cause) {
    if (!(cause instanceof DefinitionError)) throw cause
    context.addIssue(cause.message)
    return z.NEVER
  }
})

/** The time limit of one attempt. */
export const timeoutSchema = durationSchema.refine((milliseconds) => milliseconds >= 1, {
  error: 'expected at least 1 ms, got 0',
})

const nodeOptionsSchema = z.strictObject({
  key: nameSchema.optional(),
  retry: retrySchema.optional(),
  timeout: timeoutSchema.optional(),
  queue: queueSchema.optional(),
  priority: prioritySchema.optional(),
  lock: lockSchema.optional(),
  trigger: checked<Trigger>(
    `one of ${NAMED_TRIGGERS.join(', ')}, or atLeast(…) or atMost(…)`,
    isTrigger,
  ).optional(),
  skipOnUpstreamSkip: checked<boolean>(
    'true or false',
    (value) => typeof value === 'boolean',
  ).optional(),
  if: checked<RefOf<boolean>>('a Ref to a boolean, such as is(ref, literal)', isRef).optional(),
  after: listOf(checked<RefOf<unknown>>('a Ref', isRef), 'Refs').optional(),
  delay: durationSchema.optional(),
})

/** The options of a node after the check; durations in ms. */
export type CheckedNodeOptions = z.output<typeof nodeOptionsSchema>

/**
 * @param task the task's name, for messages
 * @throws DefinitionError that names the option, what was expected and what was got
 */
export function checkNodeOptions(options: NodeOptions, task: string): CheckedNodeOptions {
  return checkOptions(nodeOptionsSchema, options, `${task}.with()`)
}

const runNodeOptionsSchema = nodeOptionsSchema.omit({ timeout: true, lock: true })

/**
 * @param where the call that they were given to, for messages
 * @throws DefinitionError that names the option, what was expected and what was got
 */
export function checkRunNodeOptions(options: RunNodeOptions, where: string): CheckedNodeOptions {
  return checkOptions(runNodeOptionsSchema, options, where)
}

function checkOptions<T>(schema: z.ZodType<T>, options: object, where: string): T {
  refuseRefs(options, where)
  return parseOptions(schema, options, where)
}

/** Options are fixed when the flow is defined. */
function refuseRefs(options: object, where: string): void {
  for (const [option, value] of Object.entries(options)) {
    if (isRef(value) && option !== 'if') {
      throw new DefinitionError(
        `${where}: ${option}: expected a value that is known when the flow is defined, got ${inspect(value)}`,
      )
    }
  }
}
