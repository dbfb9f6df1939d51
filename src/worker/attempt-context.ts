import type { Grant } from '../coordinator/answers.ts'
import type { Failure } from '../core/failure.ts'
import { shortHash } from '../core/ids.ts'
import type { Logger } from '../core/logger.ts'
import type { RunInfo, TaskContext } from '../flow/context.ts'
import type { EnqueueChild } from '../flow/enqueue-child.ts'
import type { ChildOptions } from '../flow/enqueue-options.ts'
import type { TaskNode } from '../flow/graph.ts'
import type { Target } from '../flow/target.ts'
import { isLastAttempt, maxRetriesOf } from '../strategies/policy-limits.ts'
import type { Policy } from '../strategies/policy-types.ts'
import type { Children } from './children.ts'

/** What a context is made of. */
export interface ContextParts {
  readonly run: RunInfo
  /** The run as which the node's work is known outside. */
  readonly workRunId: string
  readonly node: TaskNode
  readonly grant: Grant
  readonly policy: Policy | null
  readonly previousFailures: readonly Failure[]
  readonly abort: { readonly signal: AbortSignal }
  readonly logger: Logger
  /** The node's raw input, JSON. */
  readonly inputText: string
  readonly newChildren: () => Children
}

/** The second argument of a handler. What costs something is made when it is asked for. */
export class AttemptContext implements TaskContext {
  readonly run: RunInfo
  readonly node: string
  readonly task: string
  readonly attempt: number
  readonly retryNumber: number
  readonly maxRetries: number | null
  readonly isLastAttempt: boolean
  readonly previousFailures: readonly Failure[]
  readonly fencingToken: number
  readonly enqueue: EnqueueChild = (target: Target, input: unknown, options: ChildOptions = {}) => {
    this.#children ??= this.#newChildren()
    return this.#children.enqueue(target, input, options)
  }
  readonly #abort: ContextParts['abort']
  readonly #logger: Logger
  readonly #inputText: string
  readonly #workRunId: string
  readonly #newChildren: () => Children
  #children: Children | undefined
  #log: Logger | undefined

  constructor({
    run,
    workRunId,
    node,
    grant,
    policy,
    previousFailures,
    abort,
    logger,
    inputText,
    newChildren,
  }: ContextParts) {
    this.run = run
    this.node = node.key
    this.task = node.task
    this.attempt = grant.attempt
    this.retryNumber = grant.attempt - 1
    this.maxRetries = maxRetriesOf(policy)
    this.isLastAttempt = isLastAttempt(policy, grant.retriesUsed)
    this.previousFailures = previousFailures
    this.fencingToken = grant.fencingToken
    this.#abort = abort
    this.#logger = logger
    this.#inputText = inputText
    this.#workRunId = workRunId
    this.#newChildren = newChildren
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  get log(): Logger {
    this.#log ??= this.#logger.child({
      runId: this.run.id,
      flow: this.run.flow,
      node: this.node,
      attempt: this.attempt,
    })
    return this.#log
  }

  // Not of the root: sibling runs may have one input, and each is meant.
  get idempotencyKey(): string {
    return shortHash(JSON.stringify([this.#workRunId, this.node, this.#inputText]))
  }
}
