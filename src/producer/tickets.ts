import type { Place, TicketToAdd } from '../coordinator/answers.ts'
import { ticketJobId } from '../core/ids.ts'
import type { CompiledGraph } from '../flow/compile.ts'
import { templateOf } from '../flow/instances.ts'
import { ENVELOPE_VERSION, type TicketData } from './envelope.ts'
import { DEFAULT_QUEUE, JOB_OPTIONS } from './job-options.ts'
import type { Queues } from './queues.ts'

/** The place of runs that name none. */
export const DEFAULT_PLACE: Place = { queue: DEFAULT_QUEUE, priority: 0 }

/** The queue and priority of a node, unless a decision moved it: its own, or its run's. */
export function placeOf(graph: CompiledGraph, index: number, runPlace: Place): Place {
  const node = graph.graph.nodes[templateOf(index)]
  if (node?.kind !== 'task') return runPlace
  return { queue: node.queue ?? runPlace.queue, priority: node.priority ?? runPlace.priority }
}

/**
 * Adds the jobs of tickets that a delivery owes (R8). Adding one that exists is a no-op, and one that was finished
 * before finds no row and ends.
 */
export async function addTickets(
  queues: Queues,
  runId: string,
  graph: CompiledGraph,
  runPlace: Place,
  tickets: readonly TicketToAdd[],
): Promise<void> {
  await Promise.all(tickets.map((ticket) => addTicket(queues, runId, graph, runPlace, ticket)))
}

function addTicket(
  queues: Queues,
  runId: string,
  graph: CompiledGraph,
  runPlace: Place,
  { ticket, indices, delayMs, place }: TicketToAdd,
): Promise<void> {
  const [first = 0] = indices
  const { queue, priority } = place ?? placeOf(graph, first, runPlace)
  const node = graph.graph.nodes[templateOf(first)]?.key ?? String(first)
  const { flow } = graph.graph
  const size = indices.length
  const data: TicketData = { v: ENVELOPE_VERSION, run: runId, ticket, flow, node, size }
  return queues.add(queue, node, data, {
    ...JOB_OPTIONS,
    jobId: ticketJobId(runId, ticket),
    ...(delayMs > 0 ? { delay: delayMs } : {}),
    ...(priority > 0 ? { priority } : {}),
  })
}
