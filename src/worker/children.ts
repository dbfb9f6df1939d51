import type { Grant } from '../coordinator/answers.ts'
import type { Coordinator } from '../coordinator/coordinator.ts'
import type { StoredChild } from '../coordinator/run-children.ts'
import { RepriseError } from '../core/errors.ts'
import type { Hooks } from '../core/hooks.ts'
import { childRunId, repeatedRunId } from '../core/ids.ts'
import type { EnqueuedChild } from '../flow/enqueue-child.ts'
import { type ChildOptions, checkChildOptions } from '../flow/enqueue-options.ts'
import type { TaskNode } from '../flow/graph.ts'
import { type Target, targetFacts } from '../flow/target.ts'
import type { Queues } from '../producer/queues.ts'
import { makeRunJob } from '../producer/run-job.ts'

/** What starting runs needs of its worker. */
export interface ChildrenSurroundings {
  readonly coordinator: Coordinator
  readonly queues: Queues
  readonly hooks: Hooks
}

/** The attempt whose handler starts runs. */
export interface ParentAttempt {
  /** The run's id. */
  readonly id: string
  /** The run as which the node's work is known outside: a rerun that does the same work starts no second child. */
  readonly workRunId: string
  readonly rootId: string
  readonly node: TaskNode
  readonly grant: Grant
  readonly signal: AbortSignal
}

/**
 * The runs that one attempt starts. A call has a key, and the child's id is made of run, node and key, so an attempt
 * that repeats a call names the same run: adding its job again is a no-op while it exists; a worker finds nothing to do
 * in one whose run is known; and once the call is recorded in the parent, no job is added any more.
 */
export class Children {
  readonly #around: ChildrenSurroundings
  readonly #parent: ParentAttempt
  readonly #keys = new Set<string>()
  readonly #calls = new Map<string, number>()

  constructor(around: ChildrenSurroundings, parent: ParentAttempt) {
    this.#around = around
    this.#parent = parent
  }

  /** See `TaskContext.enqueue`. The key is taken at once, so calls that run side by side keep their numbers. */
  async enqueue(target: Target, input: unknown, options: ChildOptions): Promise<EnqueuedChild> {
    const { coordinator, queues, hooks } = this.#around
    const { id: parentId, workRunId, rootId, node, grant, signal } = this.#parent
    signal.throwIfAborted()
    checkChildOptions(options)
    const key = this.#takeKey(targetFacts(target).name, options.key)
    const known = await this.#known(key)
    if (known) {
      if (known.in !== parentId) await coordinator.recordChild(parentId, grant.index, key, known)
      return { id: known.runId }
    }
    const id = childRunId(workRunId, node.key, key)
    const parent = { runId: parentId, node: node.key, rootId }
    const job = await makeRunJob(id, target, input, options, parent)
    signal.throwIfAborted()
    await queues.add(job.queue, job.name, job.data, job.options)
    // After the job: a call that is recorded is not repeated.
    await coordinator.recordChild(parentId, grant.index, key, { runId: id, flow: job.flow })
    hooks.onRunEnqueued?.({ runId: id, flow: job.name })
    return { id }
  }

  /** The child of a call that an attempt before this one made, here or in a run that this one repeats. */
  async #known(key: string): Promise<(StoredChild & { readonly in: string }) | null> {
    const { id, workRunId, grant } = this.#parent
    // Only an attempt before this one can have recorded it.
    let runId = grant.attempt === 1 ? before(id, workRunId) : id
    for (; runId !== null; runId = before(runId, workRunId)) {
      const child = await this.#around.coordinator.readChild(runId, grant.index, key)
      if (child) return { ...child, in: runId }
    }
    return null
  }

  #takeKey(name: string, given: string | undefined): string {
    if (given === undefined) {
      const call = (this.#calls.get(name) ?? 0) + 1
      this.#calls.set(name, call)
      return `${name}#${call}`
    }
    if (this.#keys.has(given)) {
      throw new RepriseError(
        'options',
        `enqueue options: key: the key ${given} was used before in this attempt of ${this.#parent.node.key}; give each call a key of its own`,
      )
    }
    this.#keys.add(given)
    return given
  }
}

/** The run that this one repeats, if the node did the same work in it. */
function before(runId: string, workRunId: string): string | null {
  return runId === workRunId ? null : repeatedRunId(runId)
}
