import type { RunRows } from '../coordinator/run-rows.ts'

/** Something in a live run that would keep it from ending, if it stayed as it is. */
export type Suspicion =
  /** A ticket is owed, and its job does not exist. */
  | { readonly kind: 'owed'; readonly ticket: number; readonly evidence: string }
  /** A row was claimed, and its job does not exist any more or has ended. */
  | { readonly kind: 'claimed'; readonly ticket: number; readonly evidence: string }
  /** A node could run, and no row holds it. */
  | { readonly kind: 'orphan'; readonly index: number; readonly evidence: string }
  /** A node waits for a child run that is gone, or has ended. */
  | {
      readonly kind: 'deserted'
      readonly index: number
      readonly child: string
      readonly evidence: string
    }
  /** A node is parked by a pause that nobody set. */
  | { readonly kind: 'parked'; readonly evidence: string }
  /** A rerun was made, and its job does not exist. */
  | { readonly kind: 'unqueued'; readonly evidence: string }

/** Whether something is still to come: a job is `gone` when it is missing, completed or failed. */
export type Fate = 'gone' | 'alive'

/** Tells what has become of the job of a row's ticket, and of the child run that a node waits for. */
export interface Fates {
  ofTicket(ticket: number): Promise<Fate>
  ofChild(index: number, child: string): Promise<Fate>
}

/** Looks for what could keep a run from ending. */
export async function suspicionsIn(run: RunRows, fates: Fates): Promise<Suspicion[]> {
  const found: Suspicion[] = []
  const held = new Set<number>()
  for (const { ticket, state, indices, packed } of run.rows) {
    for (const index of indices) held.add(index)
    if (state === 'ended' || (await fates.ofTicket(ticket)) === 'alive') continue
    found.push({ kind: state, ticket, evidence: packed })
  }
  for (const { index, letter, packed, child } of run.nodes) {
    if ('YRTWHBOL'.includes(letter) && !held.has(index)) {
      found.push({ kind: 'orphan', index, evidence: packed })
    }
    if (child !== null && (await fates.ofChild(index, child)) === 'gone') {
      found.push({ kind: 'deserted', index, child, evidence: packed })
    }
    if (letter === 'P' && !run.isPaused) found.push({ kind: 'parked', evidence: packed })
  }
  return found
}
