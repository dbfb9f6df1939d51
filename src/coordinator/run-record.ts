import { RepriseError } from '../core/errors.ts'
import type { Failure, FailureKind, RecordedDecision, StoredError } from '../core/failure.ts'
import { fromJsonText, type Json } from '../core/json.ts'

/** An ended attempt (or a manual retry between two) as the run's log has it. */
export interface LoggedAttempt {
  /** The attempt's number; 0 for an entry that is no attempt. */
  readonly attempt: number
  readonly kind: FailureKind | 'skipped' | 'retried'
  /** Epoch ms. */
  readonly startedAt: number
  readonly endedAt: number
  readonly error: StoredError | null
  readonly decision: RecordedDecision | null
}

/** A node as the scripts packed it (lua/lib/node.lua), with times as epoch ms. */
export interface NodeRecord {
  readonly letter: string
  readonly attempts: number
  readonly ticket: number | null
  readonly retriesUsed: number
  readonly crashes: number
  /** Start of the last attempt; since when it waits (H, B, O, L, C). */
  readonly startedAt: number | null
  /** Due time (T, W, H, B, O, L), end (S, F, skipped), or the index of the causing node (U). */
  readonly x: number | null
}

const NODE = /^([A-Za-z]):(\d*):(\d*):(\d*):(\d*):(-?\d*):([\d/-]*)$/

/** Reads a packed node field; `openedAt` is the run's start in epoch ms. */
export function readNode(packed: string, openedAt: number): NodeRecord {
  const match = NODE.exec(packed)
  if (!match) throw new RepriseError('internal', `a stored node can't be read: ${packed}`)
  const [
    ,
    letter = '',
    attempts = '',
    ticket = '',
    retries = '',
    crashes = '',
    start = '',
    x = '',
  ] = match
  const isIndex = letter === 'U' || letter === 'u'
  return {
    letter,
    attempts: Number(attempts),
    ticket: ticket === '' ? null : Number(ticket),
    retriesUsed: Number(retries),
    crashes: Number(crashes),
    startedAt: start === '' ? null : openedAt + Number(start),
    x: x === '' || letter === 'R' ? null : isIndex ? Number(x) : openedAt + Number(x),
  }
}

/** Reads a node's log: one line per ended attempt, oldest first. */
export function readLog(log: string, openedAt: number): LoggedAttempt[] {
  return log === '' ? [] : log.split('\n').map((line) => readLogLine(line, openedAt))
}

/** Reads one log line: `attempt|kind|start|end|details`. */
export function readLogLine(line: string, openedAt: number): LoggedAttempt {
  const [attempt = '', kind = '', start = '', end = ''] = line.split('|', 4)
  const details = detailsOf(
    line.slice(attempt.length + kind.length + start.length + end.length + 4),
  )
  return {
    attempt: Number(attempt),
    kind: kind as LoggedAttempt['kind'],
    startedAt: openedAt + Number(start),
    endedAt: openedAt + Number(end),
    error: details.error,
    decision: details.decision,
  }
}

/** The failure that an entry records; null for a thrown `Skip` and a manual retry. */
export function failureOfEntry({ kind, error }: LoggedAttempt): Failure | null {
  return error && kind !== 'retried' && kind !== 'skipped' ? { kind, error } : null
}

/** How `settle` is told of a thrown `Skip`: `skipped|details`. */
export function formatSkip(error: StoredError): string {
  return `skipped|${JSON.stringify({ error })}`
}

/** How `settle` is told of a failed attempt: `kind|details`. */
export function formatFailure(
  kind: FailureKind,
  error: StoredError,
  decision: RecordedDecision,
): string {
  return `${kind}|${JSON.stringify({ error, decision })}`
}

interface Details {
  readonly error: StoredError | null
  readonly decision: RecordedDecision | null
}

// Trust border: only `formatFailure`, `formatSkip` and lua/lib/crash.lua write these texts.
function detailsOf(text: string): Details {
  const value: Json = fromJsonText(text === '' ? '{}' : text, 'a logged attempt')
  const details = value as Partial<Record<keyof Details, unknown>>
  return {
    error: (details.error ?? null) as StoredError | null,
    decision: (details.decision ?? null) as RecordedDecision | null,
  }
}
