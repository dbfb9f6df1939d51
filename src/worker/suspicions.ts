import type { RunRows } from '../coordinator/run-rows.ts'

/** Something in a live run that would keep it from ending, if it stayed as it is. */
export type Suspicion =
  /** A ticket is owed, and its job does not exist. */
  | { readonly kind: 'owed'; readonly ticket: number; readonly evidence: string }
  /** A row was claimed, and its job does not exist any more or has ended. */
  | { readonly kind: 'claimed'; readonly ticket: number; readonly evidence: string }
  /** A node could run, and no row holds it. */
  | { readonly kind: 'orphan'; readonly index: number; readonly evidence: string }
  /** A node is parked by a pause that nobody set. */
  | { readonly kind: 'parked'; readonly evidence: string }
  /** A rerun was made, and its job does not exist. */
  | { readonly kind: 'unqueued'; readonly evidence: string }

/** Where a ticket's job is, as far as it matters: `gone` (missing, completed or failed) or still to come. */
export type JobFate = 'gone' | 'alive'

/** Looks for what could keep a run from ending. `fateOf` tells where the job of a row's ticket is. */
export async function suspicionsIn(
  run: RunRows,
  fateOf: (ticket: number) => Promise<JobFate>,
): Promise<Suspicion[]> {
  const found: Suspicion[] = []
  const held = new Set<number>()
  for (const { ticket, state, indices, packed } of run.rows) {
    for (const index of indices) held.add(index)
    if (state === 'ended' || (await fateOf(ticket)) === 'alive') continue
    found.push({ kind: state, ticket, evidence: packed })
  }
  for (const { index, letter, packed } of run.nodes) {
    if ('YRTWHBO'.includes(letter) && !held.has(index)) {
      found.push({ kind: 'orphan', index, evidence: packed })
    }
    if (letter === 'P' && !run.isPaused) found.push({ kind: 'parked', evidence: packed })
  }
  return found
}
