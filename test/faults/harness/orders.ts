import { z } from 'zod'

/** Where an armed worker stops, seen from the node that it is armed for. */
export const STOP_POINTS = [
  /** Before it claims the job that brings the node. */
  'claim',
  /** In the node's handler, which has begun. */
  'handler',
  /** The handler is done, its settle is not sent. */
  'settle',
  /** The settle was answered, nothing that it owes was added. */
  'settled',
  /** One of the tickets that the settle made ready was added, the others were not. */
  'dispatch',
  /** All is added, the job is not finished. */
  'finish',
  /** The node has said that it waits for a child run, and has not added the child's job. */
  'awaited',
  /** The node has read how its child ended; the settle is not sent. */
  'read',
] as const

export type StopPoint = (typeof STOP_POINTS)[number]

const stopSchema = z.strictObject({
  point: z.enum(STOP_POINTS),
  node: z.string(),
  attempt: z.number(),
  /** A file: the worker goes on when it is there. Absent: the process stands still until it is killed. */
  release: z.string().optional(),
})

/** What a worker process is told, in the variable ORDERS. */
export const ordersSchema = z.strictObject({
  redisUrl: z.string(),
  namespace: z.string(),
  effects: z.string(),
  /** The flow of all runs that it gets. */
  flow: z.string(),
  stop: stopSchema.optional(),
  /** Short, so that the jobs of a killed process are soon found. */
  leaseMs: z.number().default(1_000),
  concurrency: z.number().default(5),
  shutdownTimeoutMs: z.number().default(0),
})

export type Orders = z.input<typeof ordersSchema>
export type Stop = z.infer<typeof stopSchema>
