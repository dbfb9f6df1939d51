import { calleeOf, type WorkNode } from '../flow/graph.ts'
import type { RunOptions } from '../producer/envelope.ts'
import { maxCrashesOf } from '../strategies/policy-limits.ts'
import { toPolicy } from '../strategies/shorthand.ts'
import type { WorkerSettings } from './options.ts'
import type { TaskDurations } from './task-durations.ts'

/** Nodes of one ticket at most (R24). */
export const MAX_COMPANY = 16

/** What tells which nodes may share a ticket. */
export interface CompanySurroundings {
  readonly durations: TaskDurations
  readonly settings: WorkerSettings
}

/**
 * How many of these nodes may share a ticket: those of short tasks. A company is granted as a whole, so that a lost worker
 * is charged also to those of its nodes that no handler was called for: who survives no crash travels alone.
 */
export function companySize(
  { durations, settings }: CompanySurroundings,
  nodes: readonly WorkNode[],
  options: RunOptions,
): number {
  const mayShare = (node: WorkNode) =>
    durations.isShort(calleeOf(node)) &&
    (enqueuedCrashLimit(node, options) ?? node.maxCrashes ?? settings.maxCrashes) > 0
  return nodes.length > 0 && nodes.every(mayShare) ? MAX_COMPANY : 1
}

/** How many crashes a node survives by a policy that the enqueue gave, if it gave one. */
export function enqueuedCrashLimit(
  { key }: WorkNode,
  { retry, nodes }: RunOptions,
): number | undefined {
  const given = nodes?.[key]?.retry ?? retry
  return given === undefined ? undefined : maxCrashesOf(toPolicy(given))
}
