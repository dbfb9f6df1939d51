import { z } from 'zod'
import { flow, task } from '../../../src/index.ts'
import type { EffectsFile } from '../harness/effects.ts'

export const ITEMS = 10_000

/** A map over numbers, and their sum. Each item writes down that it was begun. */
export function largeFlow(effects: EffectsFile) {
  const list = task({ name: 'list', input: z.number() }, (count) =>
    Array.from({ length: count }, (_, i) => i),
  )
  const one = task({ name: 'one', input: z.number() }, (n, ctx) => {
    effects.add('start', ctx.run.id, ctx.node, ctx.attempt)
    return n
  })
  const sum = task({ name: 'sum', input: z.array(z.number()) }, (numbers) => ({
    count: numbers.length,
    sum: numbers.reduce((total, n) => total + n, 0),
  }))
  return flow({ name: 'large', input: z.number() }, (input) => sum(one.map(list(input))))
}
