import type { Failure } from './failure.ts'

/** Every code that a Reprise error can carry. Match on it instead of on messages. */
export type ErrorCode =
  | 'definition'
  | 'options'
  | 'invalid_input'
  | 'serialization'
  | 'redis'
  | 'unknown_run'
  | 'unknown_node'
  | 'unknown_flow'
  | 'run_state'
  | 'no_worker'
  | 'conflict'
  | 'run_failed'
  | 'timeout'
  | 'closed'
  | 'internal'

/** The base of all errors that Reprise throws at its users. `cause` carries what was underneath. */
export class RepriseError extends Error {
  override readonly name: string = 'RepriseError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** A flow, task, policy or option was defined wrongly. Thrown at definition, before anything runs. */
export class DefinitionError extends RepriseError {
  override readonly name = 'DefinitionError'

  constructor(message: string, options?: ErrorOptions) {
    super('definition', message, options)
  }
}

/** A value that JSON can't carry. `path` names the place, such as `result.items[3].total`. */
export class SerializationError extends RepriseError {
  override readonly name = 'SerializationError'
  readonly path: string

  constructor(path: string, problem: string, options?: ErrorOptions) {
    super('serialization', `${path}: ${problem}`, options)
    this.path = path
  }
}

/**
 * Thrown by `run.result()` when the run ended without success; a node that waits for a child run fails with it. `cause` is
 * the last failure's error, as it is stored.
 */
export class RunFailed extends RepriseError {
  override readonly name = 'RunFailed'
  readonly runId: string
  /** How the run ended. */
  readonly state: 'failed' | 'cancelled'
  /** The key of the node that failed first; null if the run failed before any node ran. */
  readonly node: string | null
  /** How many attempts that node had. */
  readonly attempts: number
  /** Why it was not retried, such as `exhausted` or `abort_on`. */
  readonly reason: string
  /** The last failure of that node, with its error. */
  readonly failure: Failure | null
  /** True if the run is retried as a whole: only where `result` was asked not to follow retries. */
  readonly willRetry: boolean

  constructor(
    detail: Pick<
      RunFailed,
      'runId' | 'state' | 'node' | 'attempts' | 'reason' | 'failure' | 'willRetry'
    >,
  ) {
    const where = detail.node === null ? '' : ` at ${detail.node}`
    const tries = detail.attempts === 1 ? '1 attempt' : `${detail.attempts} attempts`
    const last = detail.failure
      ? `: ${detail.failure.error.name}: ${detail.failure.error.message}`
      : ''
    super(
      'run_failed',
      `run ${detail.runId} ${detail.state}${where} (${detail.reason}, ${tries})${last}`,
      detail.failure ? { cause: detail.failure.error } : {},
    )
    this.runId = detail.runId
    this.state = detail.state
    this.node = detail.node
    this.attempts = detail.attempts
    this.reason = detail.reason
    this.failure = detail.failure
    this.willRetry = detail.willRetry
  }
}

/** The message of anything that was thrown, for logs and for the `cause` chain. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
