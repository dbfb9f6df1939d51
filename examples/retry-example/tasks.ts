import { pbkdf2 } from 'node:crypto'
import { promisify } from 'node:util'
import { policy, RetryRequested, task } from 'reprise'
import { z } from 'zod'
import { HttpError } from './http-error.ts'

const hash = promisify(pbkdf2)

const payloadSchema = z.object({ topic: z.string(), rounds: z.number(), digest: z.string() })

/** The expensive step: it really computes, for `expensiveMs`, off the event loop. */
export const createPayload = task(
  {
    name: 'create-payload',
    input: z.object({ topic: z.string(), expensiveMs: z.number().min(0) }),
    output: payloadSchema,
  },
  async ({ topic, expensiveMs }, ctx) => {
    const end = performance.now() + expensiveMs
    let digest = topic
    let rounds = 0
    do {
      ctx.signal.throwIfAborted()
      digest = (await hash(digest, topic, 10_000, 32, 'sha256')).toString('hex')
      rounds++
    } while (performance.now() < end)
    return { topic, rounds, digest }
  },
)

/**
 * The fragile step. The policy retries what a later attempt may mend; where the service says how long to wait, that
 * beats the policy's own delay.
 */
export const pingService = task(
  {
    name: 'ping-service',
    input: z.object({ url: z.url(), payload: payloadSchema }),
    retry: policy.exponential({
      delay: '500ms',
      maxRetries: 5,
      maxDelay: '10s',
      retryOn: ['5xx', 'ECONNREFUSED', 'ECONNRESET'],
    }),
    timeout: '10s',
  },
  async ({ url, payload }, ctx) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': ctx.idempotencyKey },
      body: JSON.stringify(payload),
      signal: ctx.signal,
    })
    if (response.ok) return { answer: await response.text() }
    const error = new HttpError(response)
    await response.body?.cancel()
    if (error.retryAfterMs === null) throw error
    throw new RetryRequested({
      delay: error.retryAfterMs,
      maxRetries: ctx.maxRetries ?? Number.POSITIVE_INFINITY,
      cause: error,
    })
  },
)

/** Plan B: what is answered when the service stays down. */
export const cachedCopy = task(
  { name: 'cached-copy', input: z.object({ why: z.string() }) },
  ({ why }) => ({ answer: 'the copy of yesterday', why }),
)
