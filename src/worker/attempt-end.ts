import { z } from 'zod'
import type { Outcome } from '../coordinator/moves.ts'
import { formatFailure, formatSkip } from '../coordinator/run-record.ts'
import {
  type Failure,
  type FailureKind,
  type RecordedDecision,
  type StopReason,
  type StoredError,
  storeError,
} from '../core/failure.ts'
import type { WorkNode } from '../flow/graph.ts'
import type { AttemptAborted } from './aborts.ts'
import type { NotYet } from './admission.ts'
import type { HeldLock } from './locks.ts'

/** How an attempt ended, with what hooks and logs tell about it; null: its lease was lost, nobody may settle it. */
export type AttemptEnd = {
  readonly outcome: Outcome
  readonly failure: Failure | null
  readonly decision: RecordedDecision | null
  /** What is to be given back as soon as this is settled. */
  readonly lock?: HeldLock
} | null

/** The end that a decision makes of a failed attempt. */
export function decided(
  kind: FailureKind,
  error: StoredError,
  decision: RecordedDecision,
): AttemptEnd {
  const log = formatFailure(kind, error, decision)
  const outcome: Outcome =
    decision.action === 'retry'
      ? { kind: 'retry', log, delayMs: decision.delayMs, place: decision.place ?? null }
      : { kind: 'failed', log }
  return { outcome, failure: { kind, error }, decision }
}

/** A failure that no policy is asked about. */
export function stopped(
  kind: FailureKind,
  error: StoredError,
  reason: StopReason,
  detail?: string,
): AttemptEnd {
  return decided(kind, error, {
    action: 'stop',
    reason,
    ...(detail === undefined ? {} : { detail }),
  })
}

/** A graceful shutdown, or a lock that was lost: the node is ready again at once, and it costs nothing. */
export function interrupted(aborted: AttemptAborted): NonNullable<AttemptEnd> {
  const error = storeError(aborted)
  const decision: RecordedDecision = {
    action: 'retry',
    rule: 'interrupted',
    baseMs: 0,
    random: null,
    delayMs: 0,
    retryNumber: 0,
    maxRetries: null,
  }
  const log = formatFailure('interrupted', error, decision)
  return {
    outcome: { kind: 'interrupted', log },
    failure: { kind: 'interrupted', error },
    decision,
  }
}

/** The handler threw `Skip`. */
export function skipped(error: StoredError): AttemptEnd {
  return { outcome: { kind: 'skipped', log: formatSkip(error) }, failure: null, decision: null }
}

/** The node's condition is not true: no attempt is made. */
export function conditionFalse(): AttemptEnd {
  return { outcome: { kind: 'condition_false' }, failure: null, decision: null }
}

/** The handler was not called, because its input doesn't fit. */
export function invalidInput(node: WorkNode, problem: z.ZodError): AttemptEnd {
  const message = `the input of ${node.key} is not valid:\n${z.prettifyError(problem)}`
  return stopped('error', namedError('InvalidInput', message), 'invalid_input')
}

/** A map has nothing to go over. */
export function mapInvalid(message: string): AttemptEnd {
  return stopped('error', namedError('MapInvalid', message), 'map_invalid')
}

/** A map has made its items. */
export function expanded(): AttemptEnd {
  return { outcome: { kind: 'expanded' }, failure: null, decision: null }
}

/**
 * This worker doesn't know the task, or a policy that it names: the grant goes back, and after `limitMs` without a
 * worker that does, the node fails. `missing`: what it is, such as `the task ping`.
 */
export function noHandler(missing: string, limitMs: number): AttemptEnd {
  const message = `no worker that serves this queue knows ${missing}, for ${limitMs} ms`
  const error = namedError('NoHandler', message)
  const decision: RecordedDecision = { action: 'stop', reason: 'no_handler' }
  const log = formatFailure('error', error, decision)
  const cause = { waitsFor: 'no_handler', limitMs } as const
  return { outcome: { kind: 'parked', cause, log }, failure: null, decision: null }
}

/** A shared limit does not let it start: the grant goes back, and the node waits for its turn. */
export function notYet({ status: _, ...cause }: NotYet): AttemptEnd {
  return { outcome: { kind: 'parked', cause, log: '' }, failure: null, decision: null }
}

/** The attempt goes on when the child run has ended. */
export function awaiting(child: string): AttemptEnd {
  return { outcome: { kind: 'awaiting', child }, failure: null, decision: null }
}

/** An error that was never thrown: the name says what is wrong. */
export function namedError(name: string, message: string): StoredError {
  return { name, names: [name, 'Error'], message }
}
