import { z } from 'zod'
import { type TaskContext, task } from '../../../src/index.ts'

const input = z.object({
  account: z.string(),
  n: z.number(),
  /** How long the handler takes. */
  ms: z.number().default(0),
  hangs: z.boolean().default(false),
})

/** A task that books to an account: one booking of an account at a time. */
export function bookTask(
  run: (booking: z.output<typeof input>, context: TaskContext) => Promise<void>,
) {
  const lock = ({ account }: z.output<typeof input>) => account
  return task({ name: 'book', input, lock, retry: 3 }, run)
}
