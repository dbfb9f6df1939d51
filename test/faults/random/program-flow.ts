import { z } from 'zod'
import {
  and,
  type Flow,
  fail,
  firstOf,
  flow,
  is,
  NonRetryable,
  not,
  or,
  orElse,
  policy,
  type Ref,
  Skip,
  settled,
  task,
} from '../../../src/index.ts'
import type { Condition, Item, MapItem, Program } from './program.ts'

/** A result that is a failure. */
const REFUSED = 'refused'

export type ProgramFlow = Flow<{ start: string }, string>

/** The program as a flow, written with the public functions. Its handlers do what their scripts say. */
export function programFlow(name: string, program: Program): ProgramFlow {
  const step = task(
    {
      name: `${name}-step`,
      input: z.object({ uses: z.array(z.unknown()) }),
      failWhen: (output: string) => output === REFUSED,
    },
    (_, ctx) => {
      const item = program.find((other) => other.kind === 'task' && other.key === ctx.node)
      if (item?.kind !== 'task') throw new Error(`no script for ${ctx.node}`)
      const { errors, by, last } = item.script
      if (ctx.attempt <= errors || last === 'exhaust') {
        const error = new Error(`failure ${ctx.attempt}`)
        if (by === 'throw') throw error
        return by === 'fail' ? fail(error) : REFUSED
      }
      if (last === 'abandon') throw new NonRetryable('given up')
      if (last === 'skip') throw new Skip('nothing to do')
      return ctx.node
    },
  )

  return flow({ name, input: z.object({ start: z.string() }) }, (input) => {
    const refs: Ref<string>[] = []
    const refAt = (i: number): Ref<string> => refs[i] ?? input.start
    const add = (item: Item & { kind: 'task' }) => {
      const retry = policy.constant({ delay: 5, maxRetries: item.script.maxRetries })
      const { key, trigger, skipOnUpstreamSkip, queue, delayMs, condition } = item
      const after = item.after.map(refAt)
      const options = {
        ...{ key, trigger, skipOnUpstreamSkip, queue, delay: delayMs, retry, after },
        ...(condition && { if: conditionOf(condition) }),
      }
      return step.with(options)({ uses: item.uses.map(refAt) })
    }
    /** A task's value is its key, and the input says where it starts. */
    const conditionOf = ({ of, holds, form }: Condition): Ref<boolean> => {
      const [ref, value] = of === null ? [input.start, 'x'] : [refAt(of), `n${of}`]
      const isTrue = is(ref, holds ? value : 'another')
      if (form === 'is') return isTrue
      if (form === 'not') return not(is(ref, holds ? 'another' : value))
      return form === 'and' ? and(isTrue, not(not(isTrue))) : or(is(ref, 'neither'), isTrue)
    }
    const addMap = (at: number, map: MapItem): void => {
      const { key, count, form, tolerate, maxRetries } = map
      const retry = policy.constant({ delay: 5, maxRetries })
      const uses = map.uses.map(refAt)
      const numbers = Array.from({ length: count }, (_, i) => i)
      const options = tolerate === null ? {} : { tolerate }
      const groups: unknown[] = []
      if (form === 'flow') {
        const inner = flow(
          { name: 'inner', input: z.object({ uses: z.array(z.unknown()) }) },
          (given) => {
            const a = step.with({ key: 'a', retry })({ uses: [given.uses] })
            return { b: step.with({ key: 'b', retry })({ uses: [a] }) }
          },
        )
        groups.push(inner.with({ key }).map(numbers, (n) => ({ uses: [n, ...uses] }), options))
      } else {
        const first = step
          .with({ key, retry })
          .map(numbers, (n) => ({ uses: [n, ...uses] }), options)
        groups.push(first)
        if (form === 'two stages') {
          const second = step.with({ key: `${key}-b`, retry })
          groups.push(second.map(first as never, (value: unknown) => ({ uses: [value] })))
        }
      }
      // The tasks take any value, so one type of Ref serves all nodes.
      for (const [i, group] of groups.entries()) refs[map.end - groups.length + i] = group as never
      if (groups.length === 0) throw new Error(`the map ${at} has no group`)
    }
    const addRange = (from: number, to: number): void => {
      for (let i = from; i < to; i++) {
        const item = program[i]
        if (item?.kind === 'task') refs[i] = add(item)
        // The tasks take any value, so one type of Ref serves all nodes.
        else if (item?.kind === 'settled') refs[i] = settled(refAt(item.of)) as never
        else if (item?.kind === 'first') {
          const [a = 0, b = 0] = item.of
          refs[i] = firstOf(refAt(a), refAt(b))
        } else if (item?.kind === 'map') {
          addMap(i, item)
          i = item.end - 1
        } else if (item?.kind === 'gate') {
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
