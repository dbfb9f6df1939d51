import type { ChildOptions } from './enqueue-options.ts'
import type { Flow } from './flow.ts'
import type { NamedTarget } from './target.ts'
import type { Task } from './task.ts'

/** A run that a handler has started. Its outcome is read through `producer.run(id)` or `runs.get(id)`. */
export interface EnqueuedChild {
  readonly id: string
}

/** Starts a child run; see `TaskContext.enqueue`. */
export interface EnqueueChild {
  <I, O>(target: Flow<I, O> | Task<I, O>, input: I, options?: ChildOptions): Promise<EnqueuedChild>
  (target: NamedTarget, input: unknown, options?: ChildOptions): Promise<EnqueuedChild>
}
