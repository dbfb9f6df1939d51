import { setTimeout as sleep } from 'node:timers/promises'
import { flow, policy, task } from 'reprise'
import { z } from 'zod'

const retry = policy.constant({ delay: '60ms', maxRetries: 1_000, maxCrashes: 1_000 })
const input = z.object({ run: z.number() })
const passed = z.object({ node: z.string() })

async function work(node: string): Promise<{ node: string }> {
  await sleep(Math.random() * 40)
  if (Math.random() < 0.04) throw new Error('flaky')
  return { node }
}

const first = task({ name: 'first', input, retry }, (_, ctx) => work(ctx.node))
const step = task({ name: 'step', input: passed, retry }, (_, ctx) => work(ctx.node))
const join = task({ name: 'join', input: z.object({ all: z.array(passed) }), retry }, (_, ctx) =>
  work(ctx.node),
)

/** Ten tasks in a row. */
const chain = flow({ name: 'chain', input }, (given) => {
  let last = first({ run: given.run })
  for (let i = 1; i < 10; i++) last = step(last)
  return last
})

function fanOf(width: number) {
  return flow({ name: `fan-${width}`, input }, (given) => {
    const source = first({ run: given.run })
    return join({ all: Array.from({ length: width }, () => step(source)) })
  })
}

/** Forks and joins inside of one another. */
const mesh = flow({ name: 'mesh', input }, (given) => {
  const a = first({ run: given.run })
  const [b, c, d] = [step(a), step(a), step(a)]
  const e = step(b)
  const f = join({ all: [b, c] })
  return join({ all: [e, f, d] })
})

export const flows = [chain, fanOf(8), fanOf(30), mesh]
