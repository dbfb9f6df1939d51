import { definePolicy, flow, NonRetryable, policy, task } from 'reprise'
import { z } from 'zod'

export const double = task(
  { name: 'double', input: z.object({ n: z.number() }), retry: policy.constant({ delay: 10 }) },
  ({ n }, ctx) => {
    if (ctx.attempt === 1) throw new Error('not at once')
    return n * 2
  },
)

export const twice = flow({ name: 'twice', input: z.object({ n: z.number() }) }, (input) =>
  double({ n: double({ n: input.n }) }),
)

const refuse = task({ name: 'refuse', input: z.object({}) }, () => {
  throw new NonRetryable('never')
})

export const broken = flow({ name: 'broken', input: z.object({}) }, () => refuse({}))

export const thrice = definePolicy({
  name: 'thrice',
  options: z.object({}),
  decide: ({ retryNumber }) => (retryNumber < 3 ? {} : null),
})

export const notOne = 42
