import type { TicketToAdd } from '../coordinator/answers.ts'
import { ticketJobId } from '../core/ids.ts'
import type { CompiledGraph } from '../flow/compile.ts'
import { ENVELOPE_VERSION, type TicketData } from '../producer/envelope.ts'
import { DEFAULT_QUEUE, JOB_OPTIONS } from '../producer/job-options.ts'
import type { Queues } from '../producer/queues.ts'

/** The queue and priority of a node, unless a decision moved it. */
export function placeOf(graph: CompiledGraph, index: number): { queue: string; priority: number } {
  const node = graph.graph.nodes[index]
  return node?.kind === 'task'
    ? { queue: node.queue ?? DEFAULT_QUEUE, priority: node.priority ?? 0 }
    : { queue: DEFAULT_QUEUE, priority: 0 }
}

/**
 * Adds the jobs of tickets that a delivery owes (R8). Adding one that exists is a no-op, and one that was finished
 * before finds no row and ends.
 */
export async function addTickets(
  queues: Queues,
  runId: string,
  graph: CompiledGraph,
  tickets: readonly TicketToAdd[],
): Promise<void> {
  await Promise.all(tickets.map((ticket) => addTicket(queues, runId, graph, ticket)))
}

function addTicket(
  queues: Queues,
  runId: string,
  graph: CompiledGraph,
  { ticket, indices, delayMs, place }: TicketToAdd,
): Promise<void> {
  const [first = 0] = indices
  const { queue, priority } = place ?? placeOf(graph, first)
  const node = graph.graph.nodes[first]?.key ?? String(first)
  const data: TicketData = { v: ENVELOPE_VERSION, run: runId, ticket, flow: graph.graph.flow, node }
  return queues.add(queue, node, data, {
    ...JOB_OPTIONS,
    jobId: ticketJobId(runId, ticket),
    ...(delayMs > 0 ? { delay: delayMs } : {}),
    ...(priority > 0 ? { priority } : {}),
  })
}
