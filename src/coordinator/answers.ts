import { RepriseError } from '../core/errors.ts'

/** An attempt that a delivery may start. */
export interface Grant {
  readonly index: number
  readonly attempt: number
  /** Retries used of the node's budget before this attempt. */
  readonly retriesUsed: number
  readonly crashes: number
  /** Grows with every grant of the run. */
  readonly fencingToken: number
  /** When the attempt was granted, epoch ms by Redis' clock. */
  readonly startedAt: number
}

/** A ticket whose job this delivery owes (R8). */
export interface TicketToAdd {
  /** Its run, where that is not the one that the move was made on: a run's end lets a node of its parent go on. */
  readonly runId?: string
  readonly ticket: number
  readonly indices: readonly number[]
  readonly delayMs: number
  /** The queue and priority that a decision moved it to; null for the node's own. */
  readonly place: Place | null
}

/** A queue and priority that a retry decision chose. */
export interface Place {
  readonly queue: string
  readonly priority: number
}

/** The value of a node as the scripts stored it. `payload` is null when it has to be read apart. */
export interface StoredValue {
  readonly index: number
  readonly state: string
  readonly payload: string | null
}

/** What a row's nodes leave its delivery to do. */
export type RowLeft = 'empty' | 'failed' | 'more' | 'delayed'

/** Why a claim or an open was refused. */
export type ClaimRefusal =
  | 'lease'
  | 'no_run'
  | 'run_refused'
  | 'creating'
  | 'cancelled'
  | 'descendant_started'
  | 'has_rerun'
  | 'no_graph'
  | 'run_expired'

/** The answer to `open` and `claim`; the fields are described in lua/claim.lua. */
export type ClaimAnswer =
  | {
      readonly status: 'granted'
      readonly grants: readonly Grant[]
      readonly earlyMs: number
      readonly toAdd: readonly TicketToAdd[]
      readonly rowLeft: RowLeft
      readonly graph: string
      readonly options: string
      readonly input: string
      readonly values: readonly StoredValue[]
      /** When the run was opened, epoch ms by Redis' clock. */
      readonly openedAt: number
      /** The queue and priority of the run's flow job; null for the default. */
      readonly place: Place | null
    }
  | { readonly status: 'nothing'; readonly toAdd: readonly TicketToAdd[] }
  | {
      readonly status: 'ended'
      readonly toAdd: readonly TicketToAdd[]
      readonly lastLogLine: string
      /** How the run ended, if this claim ended it. */
      readonly runEnd: RunEnd
      readonly graph: string
    }
  | { readonly status: 'refused'; readonly reason: ClaimRefusal }

/** How a move ended the run; empty if it did not. */
export type RunEnd = 'succeeded' | 'failed' | ''

/** Why a settle was refused. */
export type SettleRefusal = 'no_run' | 'behind' | 'superseded' | 'cancelled'

/** The answer to `settle`; the fields are described in lua/settle.lua. */
export type SettleAnswer =
  | {
      readonly status: 'settled'
      readonly rowLeft: RowLeft
      readonly toAdd: readonly TicketToAdd[]
      /** How the run ended, if this settle ended it. */
      readonly runEnd: RunEnd
      readonly waitMs: number
      readonly lastLogLine: string
      /** Nodes that go on in this delivery. */
      readonly grants: readonly Grant[]
      readonly values: readonly StoredValue[]
    }
  | { readonly status: 'refused'; readonly reason: SettleRefusal }

/** The answer to `expand`. */
export type ExpandAnswer =
  | {
      readonly status: 'expanded'
      /** How many items have their instances. */
      readonly made: number
      readonly toAdd: readonly TicketToAdd[]
    }
  | { readonly status: 'refused'; readonly reason: SettleRefusal }

/** The answer to `refuse`. */
export type RefuseAnswer =
  | { readonly status: 'ok'; readonly toAdd: readonly TicketToAdd[] }
  | { readonly status: 'refused'; readonly reason: 'lease' | 'run_exists' }

/** What a script answered, before it is read. The scripts are the trust border of this file. */
export type RawAnswer = readonly unknown[]

/** Reads the answer to `open` or `claim`. */
export function readClaimAnswer(raw: RawAnswer): ClaimAnswer {
  switch (text(raw, 0)) {
    case 'granted':
      return {
        status: 'granted',
        grants: readGrants(text(raw, 1), Number(raw[8])),
        earlyMs: Number(raw[2]),
        toAdd: readTickets(text(raw, 3)),
        rowLeft: text(raw, 4) as RowLeft,
        graph: text(raw, 5),
        options: text(raw, 6),
        input: text(raw, 7),
        openedAt: Number(raw[8]),
        place: readPlace(text(raw, 9)),
        values: readValues(raw, 10),
      }
    case 'nothing':
      return { status: 'nothing', toAdd: readTickets(text(raw, 1)) }
    case 'ended':
      return {
        status: 'ended',
        toAdd: readTickets(text(raw, 1)),
        lastLogLine: text(raw, 2),
        runEnd: text(raw, 3) as RunEnd,
        graph: text(raw, 4),
      }
    case 'refused':
      return { status: 'refused', reason: text(raw, 1) as ClaimRefusal }
    default:
      throw unexpected(raw)
  }
}

/** Reads the answer to `settle`. */
export function readSettleAnswer(raw: RawAnswer, openedAt: number): SettleAnswer {
  switch (text(raw, 0)) {
    case 'settled':
      return {
        status: 'settled',
        rowLeft: text(raw, 1) as RowLeft,
        toAdd: readTickets(text(raw, 2)),
        runEnd: text(raw, 3) as RunEnd,
        waitMs: Number(raw[4]),
        lastLogLine: text(raw, 5),
        grants: readGrants(text(raw, 6), openedAt),
        values: readValues(raw, 7),
      }
    case 'refused':
      return { status: 'refused', reason: text(raw, 1) as SettleRefusal }
    default:
      throw unexpected(raw)
  }
}

/** Reads the answer to `expand`. */
export function readExpandAnswer(raw: RawAnswer): ExpandAnswer {
  switch (text(raw, 0)) {
    case 'expanded':
      return { status: 'expanded', made: Number(raw[1]), toAdd: readTickets(text(raw, 2)) }
    case 'refused':
      return { status: 'refused', reason: text(raw, 1) as SettleRefusal }
    default:
      throw unexpected(raw)
  }
}

/** Reads the answer to `owed`: tickets, as the answers of other moves list them. */
export function readOwedAnswer(raw: RawAnswer): string {
  if (raw[0] !== 'owed') throw unexpected(raw)
  return text(raw, 1)
}

/** Reads the answer to `readValues`. */
export function readValuesAnswer(raw: RawAnswer): {
  readonly values: readonly StoredValue[]
  readonly input: string
} {
  if (raw[0] !== 'values') throw unexpected(raw)
  return { input: text(raw, 1), values: readValues(raw, 2) }
}

/** Reads the answer to `refuse`. */
export function readRefuseAnswer(raw: RawAnswer): RefuseAnswer {
  switch (text(raw, 0)) {
    case 'ok':
      return { status: 'ok', toAdd: readTickets(text(raw, 1)) }
    case 'refused':
      return { status: 'refused', reason: text(raw, 1) as 'lease' | 'run_exists' }
    default:
      throw unexpected(raw)
  }
}

/** The answer to `awaitChild`; the words are described in lua/await-child.lua. */
export type AwaitAnswer =
  | { readonly status: 'unopened' | 'live' | 'ended' | 'gone' }
  | { readonly status: 'refused'; readonly reason: 'no_run' | 'cancelled' | 'superseded' }

/** Reads the answer to `awaitChild`. */
export function readAwaitAnswer(raw: RawAnswer): AwaitAnswer {
  const status = text(raw, 0)
  switch (status) {
    case 'unopened':
    case 'live':
    case 'ended':
    case 'gone':
      return { status }
    case 'refused':
      return { status, reason: text(raw, 1) as 'no_run' | 'cancelled' | 'superseded' }
    default:
      throw unexpected(raw)
  }
}

/** The answer to `cancel`. */
export type CancelAnswer =
  | {
      readonly status: 'ok'
      readonly toAdd: readonly TicketToAdd[]
      /** Nodes of the run may wait for child runs that are still to be cancelled. */
      readonly isToSweep: boolean
    }
  | { readonly status: 'refused'; readonly reason: 'final' }

/** Reads the answer to `cancel`. */
export function readCancelAnswer(raw: RawAnswer): CancelAnswer {
  switch (text(raw, 0)) {
    case 'ok':
      return { status: 'ok', toAdd: readTickets(text(raw, 1)), isToSweep: raw[2] === '1' }
    case 'refused':
      return { status: 'refused', reason: 'final' }
    default:
      throw unexpected(raw)
  }
}

/** Reads the answer to `cancelChildren`: the children whose own are to be cancelled. */
export function readChildrenToSweep(raw: RawAnswer): string[] {
  switch (text(raw, 0)) {
    case 'ok':
      return raw.slice(1).map(String)
    case 'refused':
      return []
    default:
      throw unexpected(raw)
  }
}

/** The answer to a move on a whole run: what it owes, or why it was not made. */
export type RunMoveAnswer =
  | {
      readonly status: 'ok'
      readonly toAdd: readonly TicketToAdd[]
      /** The run's graph and place, where tickets are owed. */
      readonly graph: string
      readonly place: Place | null
      /** There is more to do: `release` is to be made again. */
      readonly isPartial: boolean
    }
  | { readonly status: 'refused'; readonly reason: 'no_run' | 'final' | 'changed' }

/** Reads the answer to `pause`, `resume`, `release`, `rescue`, `adopt`, `wake` and `recordChild`. */
export function readRunMoveAnswer(raw: RawAnswer): RunMoveAnswer {
  switch (text(raw, 0)) {
    case 'ok':
      return {
        status: 'ok',
        toAdd: readTickets(text(raw, 1)),
        graph: text(raw, 2),
        place: readPlace(text(raw, 3)),
        isPartial: raw[4] === '1',
      }
    case 'refused':
      return { status: 'refused', reason: text(raw, 1) as 'no_run' | 'final' | 'changed' }
    default:
      throw unexpected(raw)
  }
}

function unexpected(raw: RawAnswer): RepriseError {
  return raw[0] === 'error'
    ? new RepriseError('internal', `a move failed in Redis: ${text(raw, 1)}`)
    : new RepriseError(
        'internal',
        `a move answered what this version can't read: ${String(raw[0])}`,
      )
}

function text(raw: RawAnswer, position: number): string {
  const value = raw[position]
  return typeof value === 'string' ? value : String(value ?? '')
}

function readGrants(list: string, openedAt: number): Grant[] {
  if (list === '') return []
  return list.split(',').map((grant) => {
    const [index, attempt, retriesUsed, crashes, fencingToken, start] = grant.split('.').map(Number)
    return {
      index: index ?? 0,
      attempt: attempt ?? 0,
      retriesUsed: retriesUsed ?? 0,
      crashes: crashes ?? 0,
      fencingToken: fencingToken ?? 0,
      startedAt: openedAt + (start ?? 0),
    }
  })
}

const TICKET = /^(?:([^/=]+)\/)?(\d+)=([\d,]+)\.(\d+)\.(.*)$/

function readTickets(list: string): TicketToAdd[] {
  if (list === '') return []
  return list.split(';').map((item) => {
    const match = TICKET.exec(item)
    if (!match)
      throw new RepriseError('internal', `a move named a ticket that can't be read: ${item}`)
    const [, runId, ticket = '', indices = '', delayMs = '', place = ''] = match
    return {
      ...(runId === undefined ? {} : { runId }),
      ticket: Number(ticket),
      indices: indices.split(',').map(Number),
      delayMs: Number(delayMs),
      place: readPlace(place),
    }
  })
}

/** Reads a place as rows and runs store it; null for ''. */
export function readPlace(place: string): Place | null {
  const at = place.lastIndexOf('@')
  if (at < 0) return null
  return { queue: decodeURIComponent(place.slice(0, at)), priority: Number(place.slice(at + 1)) }
}

/** How a place is written in rows and arguments. */
export function formatPlace(place: Place | null): string {
  return place ? `${encodeURIComponent(place.queue)}@${place.priority}` : ''
}

function readValues(raw: RawAnswer, from: number): StoredValue[] {
  const values: StoredValue[] = []
  for (let i = from; i < raw.length; i += 3) {
    const payload = raw[i + 2]
    values.push({
      index: Number(raw[i]),
      state: String(raw[i + 1]),
      payload: typeof payload === 'string' ? payload : null,
    })
  }
  return values
}
