import { z } from 'zod'
import { MAX_DURATION_MS } from '../strategies/duration-limits.ts'

/** A length of time in seconds, as the foreign systems take it; becomes whole milliseconds, rounded up. */
export const seconds = z
  .number({ error: 'expected a number of seconds from 0' })
  .min(0, 'expected a number of seconds from 0')
  .max(MAX_DURATION_MS / 1_000, 'expected at most 10 years')
  // 0.3 · 1000 is 300.00000000000006 for some numbers: what is meant is 300.
  .transform((value) => Math.ceil(Number((value * 1_000).toFixed(6))))

/** None of the foreign systems caps its delays: ours are capped at the longest that there is. */
export const NO_CAP = { maxDelay: MAX_DURATION_MS } as const
