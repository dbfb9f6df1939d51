import { flow, orElse } from 'reprise'
import { z } from 'zod'
import { cachedCopy, createPayload, pingService } from './tasks.ts'

/**
 * An expensive payload, sent to a service that may be down. When the service fails, only `ping-service` runs again:
 * the payload is kept.
 */
export const retryExample = flow(
  {
    name: 'retry-example',
    input: z.object({
      /** The service's address. */
      url: z.url(),
      topic: z.string().min(1).default('reprise'),
      /** How long the payload takes, in ms. */
      expensiveMs: z.number().min(0).default(3_000),
    }),
  },
  (input) => {
    const payload = createPayload({ topic: input.topic, expensiveMs: input.expensiveMs })
    return orElse(pingService({ url: input.url, payload }), (failure) =>
      cachedCopy({ why: failure.error.message }),
    )
  },
)
