import type { CompiledGraph } from '../flow/compile.ts'
import { isWorkNode } from '../flow/graph.ts'
import { templateOf } from '../flow/instances.ts'
import { formatPlace } from './answers.ts'
import type { Delivery, Outcome, ParkCause, Slots } from './moves.ts'

/** What a delivery claims with: the first arguments of `open`, and those of `claim` but for the ticket. */
export function claimArguments(delivery: Delivery, slots: Slots): (string | number)[] {
  return [
    delivery.runId,
    delivery.lease,
    delivery.token,
    delivery.job,
    delivery.started,
    delivery.seen,
    slots.free,
    slots.isolated ? '1' : '0',
  ]
}

/** A node that the items of a map begin with. */
export function rootText({ graph, places }: CompiledGraph, index: number): string {
  const node = graph.nodes[index]
  return `${index}.${isWorkNode(node) ? (node.delayMs ?? 0) : 0}.${places[index] ?? 0}`
}

/** How a script is told of a value: a group with its map, which knows how many items there are. */
export function valueAddress({ graph, instances }: CompiledGraph, index: number): string {
  const node = graph.nodes[templateOf(index)]
  if (node?.kind !== 'group') return String(index)
  return `${index}:${instances.indexFrom(instances.locate(index), node.upstreams[0])}`
}

/** What a script stores of an outcome, unread. */
export function payloadOf(outcome: Outcome): string {
  if (outcome.kind === 'succeeded') return outcome.result
  if (outcome.kind === 'parked' && outcome.cause.waitsFor === 'lock') return outcome.cause.key
  return 'log' in outcome ? outcome.log : ''
}

/** What a script has to know of an outcome; `dependants`: those of the node. */
export function detailOf(outcome: Outcome, dependants: string): string {
  switch (outcome.kind) {
    case 'succeeded':
    case 'expanded':
    case 'failed':
    case 'skipped':
    case 'condition_false':
      return dependants
    case 'retry':
      return `${outcome.delayMs}.${formatPlace(outcome.place)}`
    case 'parked':
      return parkDetail(outcome.cause)
    case 'interrupted':
    case 'awaiting':
      return ''
  }
}

function parkDetail(cause: ParkCause): string {
  switch (cause.waitsFor) {
    case 'no_handler':
      return `H.0.0.${cause.limitMs}`
    case 'budget':
      return `B.${cause.waitMs}.${cause.waitedMs}.0`
    case 'breaker':
      return `O.${cause.waitMs}.${cause.waitedMs}.0`
    case 'lock':
      return `L.${cause.waitMs}.${cause.waitedMs}.0`
  }
}
