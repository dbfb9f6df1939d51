import type { Place, TicketToAdd } from '../coordinator/answers.ts'
import { ticketJobId } from '../core/ids.ts'
import type { CompiledGraph } from '../flow/compile.ts'
import { isWorkNode } from '../flow/graph.ts'
import { templateOf } from '../flow/instances.ts'
import { ENVELOPE_VERSION, type TicketData } from './envelope.ts'
import { DEFAULT_QUEUE, JOB_OPTIONS } from './job-options.ts'
import type { Queues } from './queues.ts'

/** The place of runs that name none. */
export const DEFAULT_PLACE: Place = { queue: DEFAULT_QUEUE, priority: 0 }

/** The queue and priority of a node, unless a decision moved it: its own, or its run's. */
export function placeOf(graph: CompiledGraph, index: number, runPlace: Place): Place {
  const node = graph.graph.nodes[templateOf(index)]
  if (!isWorkNode(node)) return runPlace
  return { queue: node.queue ?? runPlace.queue, priority: node.priority ?? runPlace.priority }
}

/** A run as far as its tickets need it. */
export interface TicketRun {
  readonly runId: string
  readonly graph: CompiledGraph
  readonly place: Place
}

/** What adding tickets needs. */
export interface TicketSurroundings {
  readonly queues: Queues
  readonly graphs: {
    /** The graph and the place of a run. */
    ofRun(
      runId: string,
    ): Promise<{ readonly graph: { readonly graph: CompiledGraph }; readonly place: Place | null }>
  }
}

/**
 * Adds the jobs of tickets that a delivery owes (R8). Adding one that exists is a no-op, and one that was finished
 * before finds no row and ends.
 *
 * @param run the run that the move was made on
 */
export async function addTickets(
  around: TicketSurroundings,
  run: TicketRun,
  tickets: readonly TicketToAdd[],
): Promise<void> {
  await Promise.all(
    tickets.map(async (ticket) => {
      const { runId } = ticket
      const owner = runId === undefined ? run : await otherRun(around, runId)
      await addTicket(around.queues, owner, ticket)
    }),
  )
}

/** Adds the jobs of tickets of runs that this process has not looked at. */
export async function addTicketsOf(
  around: TicketSurroundings,
  runId: string,
  tickets: readonly TicketToAdd[],
): Promise<void> {
  for (const ticket of tickets) {
    await addTickets(around, await otherRun(around, ticket.runId ?? runId), [ticket])
  }
}

async function otherRun({ graphs }: TicketSurroundings, runId: string): Promise<TicketRun> {
  const { graph, place } = await graphs.ofRun(runId)
  return { runId, graph: graph.graph, place: place ?? DEFAULT_PLACE }
}

/** Adds the job of one ticket. `lifo`: before all jobs of its queue that wait; among those with a priority it stands by that. */
export function addTicket(
  queues: Queues,
  { runId, graph, place: runPlace }: TicketRun,
  { ticket, indices, delayMs, place }: TicketToAdd,
  options: { readonly lifo?: boolean } = {},
): Promise<void> {
  const [first = 0] = indices
  const { queue, priority } = place ?? placeOf(graph, first, runPlace)
  const node = graph.graph.nodes[templateOf(first)]?.key ?? String(first)
  const { flow } = graph.graph
  const size = indices.length
  const data: TicketData = { v: ENVELOPE_VERSION, run: runId, ticket, flow, node, size }
  return queues.add(queue, node, data, {
    ...JOB_OPTIONS,
    ...options,
    jobId: ticketJobId(runId, ticket),
    ...(delayMs > 0 ? { delay: delayMs } : {}),
    ...(priority > 0 ? { priority } : {}),
  })
}
