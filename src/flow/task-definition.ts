import type { z } from 'zod'
import type { RetryOption } from '../strategies/shorthand.ts'
import type { TaskContext } from './context.ts'

/** Makes the key of a lock of a task's parsed input. */
export type TaskLock = (input: never) => unknown

/** What a worker needs to know of a task: `ping.definition`. */
export interface TaskDefinition {
  readonly name: string
  /** Parses the raw input, once per attempt. */
  readonly input: z.ZodType
  /** Validates what the handler returned. */
  readonly output?: z.ZodType
  /** True for a result that is a failure. */
  readonly failWhen?: (output: never) => boolean
  /** The task's own retry policy; a node's own beats it. */
  readonly retry?: RetryOption
  /** How long one attempt may take; a node's own beats it. */
  readonly timeoutMs?: number
  readonly queue?: string
  readonly priority?: number
  /** The lock that its attempts need; a node's own beats it. */
  readonly lock?: string | TaskLock
  /** The handler. */
  run(input: unknown, context: TaskContext): unknown
}
