import { durationSchema, quote } from './option-schemas.ts'

export const HOUR_MS = 3_600_000

/** The longest duration in a policy, in ms: BullMQ's due times (timestamp · 4096 in a double) are exact until 2039. */
export const MAX_DURATION_MS = 3_650 * 24 * HOUR_MS

/** A duration of at most 10 years, as whole milliseconds. */
export const policyDuration = durationSchema.refine((ms) => ms <= MAX_DURATION_MS, {
  error: (issue) => `expected at most 10 years, got ${quote(issue.input)} ms`,
})
