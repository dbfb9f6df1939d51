import { z } from 'zod'
import { isRunId } from '../core/ids.ts'
import type { Json } from '../core/json.ts'
import type { Rerun } from '../core/lineage.ts'
import { isNodeKey } from '../flow/names.ts'
import { readRunRetry } from '../strategies/run-retry.ts'
import { type RetryOption, toPolicy } from '../strategies/shorthand.ts'

/** The version of the wire format (section 7 of the design). */
export const ENVELOPE_VERSION = 1

const retrySchema = z.custom<RetryOption>().superRefine((value, ctx) => {
  try {
    toPolicy(value)
  } catch (error) {
    ctx.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'no policy' })
  }
})

const runRetrySchema = z.unknown().transform((value, ctx) => {
  try {
    return readRunRetry(value)
  } catch (error) {
    ctx.addIssue({
      code: 'custom',
      message: error instanceof Error ? error.message : 'no runRetry',
    })
    return z.NEVER
  }
})

const nodeOptionsSchema = z.strictObject({ retry: retrySchema.optional() })

const runIdSchema = z.string().refine(isRunId, 'expected the id of a run')

const parentSchema = z.strictObject({
  runId: runIdSchema,
  node: z.string().refine(isNodeKey, 'expected the key of a node'),
  rootId: runIdSchema,
})

const runOptionsSchema = z.strictObject({
  parent: parentSchema.optional(),
  tags: z.array(z.string().min(1).max(200)).max(50).optional(),
  retry: retrySchema.optional(),
  retries: z.literal('off').optional(),
  runRetry: runRetrySchema.optional(),
  nodes: z.record(z.string(), nodeOptionsSchema).optional(),
})

/** What an enqueue may say about its run, as it is sent. */
export type RunOptions = z.infer<typeof runOptionsSchema>

/** The options as they are stored with the run: `runRetry` is the one that applies, `rerun` says what it repeats. */
export interface StoredRunOptions extends RunOptions {
  readonly rerun?: Rerun
}

const versionSchema = z.literal(ENVELOPE_VERSION, {
  error: (issue) =>
    `expected ${ENVELOPE_VERSION}, the version of the wire format that this worker reads, got ${JSON.stringify(issue.input)}`,
})
const inputSchema = z.custom<Json>((value) => value !== undefined, 'expected an input (any JSON)')

const flowEnvelopeSchema = z.strictObject({
  v: versionSchema,
  kind: z.literal('flow'),
  flow: z.string().min(1),
  input: inputSchema,
  options: runOptionsSchema.optional(),
})

const taskEnvelopeSchema = z.strictObject({
  v: versionSchema,
  kind: z.literal('task'),
  task: z.string().min(1),
  input: inputSchema,
  options: runOptionsSchema.optional(),
})

const envelopeSchema = z.discriminatedUnion('kind', [flowEnvelopeSchema, taskEnvelopeSchema], {
  error: (issue) => (issue.code === 'invalid_union' ? "expected kind 'flow' or 'task'" : undefined),
})

/** The data of a flow job or task job: any language with a BullMQ client can write it. */
export type Envelope = z.infer<typeof envelopeSchema>

/** The data of a ticket's job. Which nodes the ticket holds stands in the run, never here (R1). */
export interface TicketData {
  readonly v: typeof ENVELOPE_VERSION
  readonly run: string
  readonly ticket: number
  /** For people who look at the queue in a dashboard. */
  readonly flow: string
  readonly node: string
  /** How many nodes the ticket held when it was made: a hint for how many handlers to reserve. */
  readonly size: number
}

/**
 * Checks the data of a job that somebody enqueued.
 *
 * @returns the envelope, or what is wrong with it: each field, what was expected and what was got
 */
export function readEnvelope(data: unknown): { envelope: Envelope } | { problem: string } {
  const parsed = envelopeSchema.safeParse(data)
  if (parsed.success) return { envelope: parsed.data }
  return {
    problem: `the job's data is no envelope of version ${ENVELOPE_VERSION}:\n${z.prettifyError(parsed.error)}`,
  }
}

/** Checks the options of an enqueue, before they are sent. */
export function readRunOptions(options: unknown): { options: RunOptions } | { problem: string } {
  const parsed = runOptionsSchema.safeParse(options)
  return parsed.success ? { options: parsed.data } : { problem: z.prettifyError(parsed.error) }
}

/** Reads the data of a ticket's job, or null if it is none of ours. */
export function readTicketData(data: unknown): TicketData | null {
  if (typeof data !== 'object' || data === null || !('ticket' in data)) return null
  const { v, run, ticket } = data as Partial<Record<keyof TicketData, unknown>>
  const isOurs = v === ENVELOPE_VERSION && typeof run === 'string' && Number.isSafeInteger(ticket)
  return isOurs ? (data as TicketData) : null
}
