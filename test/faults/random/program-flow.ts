import { z } from 'zod'
import {
  type Flow,
  flow,
  NonRetryable,
  orElse,
  policy,
  type Ref,
  settled,
  task,
} from '../../../src/index.ts'
import type { Item, Program } from './program.ts'

export type ProgramFlow = Flow<{ start: string }, string>

/** The program as a flow, written with the public functions. Its handlers do what their scripts say. */
export function programFlow(name: string, program: Program): ProgramFlow {
  const step = task(
    { name: `${name}-step`, input: z.object({ uses: z.array(z.unknown()) }) },
    (_, ctx) => {
      const item = program.find((other) => other.kind === 'task' && other.key === ctx.node)
      if (item?.kind !== 'task') throw new Error(`no script for ${ctx.node}`)
      const { errors, last } = item.script
      if (ctx.attempt <= errors || last === 'exhaust') throw new Error(`failure ${ctx.attempt}`)
      if (last === 'abandon') throw new NonRetryable('given up')
      return ctx.node
    },
  )

  return flow({ name, input: z.object({ start: z.string() }) }, (input) => {
    const refs: Ref<string>[] = []
    const refAt = (i: number): Ref<string> => refs[i] ?? input.start
    const add = (item: Item & { kind: 'task' }) => {
      const retry = policy.constant({ delay: 5, maxRetries: item.script.maxRetries })
      const { key, trigger, queue, delayMs } = item
      const after = item.after.map(refAt)
      const options = { key, trigger, queue, delay: delayMs, retry, after }
      return step.with(options)({ uses: item.uses.map(refAt) })
    }
    const addRange = (from: number, to: number): void => {
      for (let i = from; i < to; i++) {
        const item = program[i]
        if (item?.kind === 'task') refs[i] = add(item)
        // The tasks take any value, so one type of Ref serves all nodes.
        else if (item?.kind === 'settled') refs[i] = settled(refAt(item.of)) as never
        else if (item?.kind === 'gate') {
          const { end } = item
          const join = program[end]
          refs[end] = orElse(refAt(item.of), () => {
            addRange(i + 1, end)
            return refAt(join?.kind === 'join' ? join.y : i)
          })
          i = end
        }
      }
    }
    addRange(0, program.length)
    return refAt(0)
  })
}
