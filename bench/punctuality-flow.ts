import { flow, RetryRequested, task } from 'reprise'
import { z } from 'zod'

/** Fails once, and asks for a retry in `delayMs`. */
const late = task(
  { name: 'late', input: z.object({ delayMs: z.number() }) },
  ({ delayMs }, ctx) => {
    if (ctx.attempt === 1) throw new RetryRequested({ delay: delayMs })
    return null
  },
)

export const punctual = flow(
  { name: 'punctual', input: z.object({ delayMs: z.number() }) },
  (input) => late({ delayMs: input.delayMs }),
)
