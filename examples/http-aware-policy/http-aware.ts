import { definePolicy } from 'reprise'
import { z } from 'zod'

const HOUR_MS = 3_600_000

const optionsSchema = z.strictObject({
  /** How many retries there are at most. */
  max: z.int().min(0).default(5),
  /** The delay that doubles with each retry, in ms. */
  delayMs: z.number().min(0).default(1_000),
  /** The longest wait that a Retry-After header is granted, in ms. */
  maxRetryAfterMs: z.number().min(0).default(HOUR_MS),
})

/**
 * Retries what HTTP says is worth a retry. 429 and 503 wait as long as `Retry-After` says; other 5xx, and failures
 * without a status (a lost connection), back off exponentially with full jitter; 4xx are never retried.
 */
export const httpAware = definePolicy({
  name: 'http-aware',
  version: '1.0.0',
  options: optionsSchema,
  decide: ({ error, retryNumber, random }, { max, delayMs, maxRetryAfterMs }) => {
    if (retryNumber >= max) return null
    const { status, retryAfterMs } = error
    const asksToWait = status === 429 || status === 503
    if (asksToWait && retryAfterMs !== undefined) {
      return retryAfterMs > maxRetryAfterMs
        ? null
        : { retryIn: retryAfterMs, reason: `${status} with Retry-After` }
    }
    if (status !== undefined && status < 500 && !asksToWait) return null
    const longest = Math.min(delayMs * 2 ** retryNumber, HOUR_MS)
    return { retryIn: random * longest, reason: `backs off from ${status ?? error.name}` }
  },
})
