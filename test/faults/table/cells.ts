import { z } from 'zod'

/** What a worker was at when the fault came, per subject: the nodes, and how they came to that worker. */
export const SUBJECTS = {
  /** `m` comes by a ticket of its own. */
  single: { name: 'single-node ticket', nodes: ['m'], grantedBy: 'claim' },
  /** Three short nodes in one ticket. */
  company: { name: 'company of three', nodes: ['f1', 'f2', 'f3'], grantedBy: 'claim' },
  /** The flow job brings `a`; its worker goes on with `b`, then with `c`. */
  continuation: { name: 'continuation, two hops on', nodes: ['c'], grantedBy: 'settle' },
} as const

/** Where a fault strikes. */
export const FAULTS = {
  /** Before the move that would grant the nodes: their claim, or for a continuation the settle before it. */
  claim: 'SIGKILL before the claim',
  /** All nodes of the subject are in their handlers. */
  handler: 'SIGKILL in the handler',
  /** The first node's settle was answered, and nothing that it owes was added. Its companions are in their handlers. */
  settled: 'SIGKILL between settle and dispatch',
  /** Every node is settled, what they owe was added, the job is not finished. */
  finish: 'SIGKILL between dispatch and finish',
  /** In the handler; the process wakes after three leases and goes on. */
  stop: 'SIGSTOP for three leases',
} as const

export type SubjectName = keyof typeof SUBJECTS
export type FaultName = keyof typeof FAULTS

/** The lease of the worker that is struck. */
export const LEASE_MS = 1_500

/** What a worker process of the table is told. */
export const ordersSchema = z.strictObject({
  redisUrl: z.string(),
  namespace: z.string(),
  effects: z.string(),
  subject: z.enum(['single', 'company', 'continuation']),
  fault: z.enum(['claim', 'handler', 'settled', 'finish', 'stop']),
  /** A file: a process that was stopped goes on from its stop point when it is there. */
  release: z.string(),
})

export type Orders = z.infer<typeof ordersSchema>

/** What a worker process says of a grant of attempts in the run that it is armed for. */
export const grantedSchema = z.strictObject({
  by: z.enum(['claim', 'settle']),
  ticket: z.number(),
  nodes: z.array(z.string()),
})

export type Granted = z.infer<typeof grantedSchema>
