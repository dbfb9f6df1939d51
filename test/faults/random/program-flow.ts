import { z } from 'zod'
import {
  and,
  type Flow,
  firstOf,
  flow,
  is,
  not,
  or,
  orElse,
  policy,
  type Ref,
  settled,
} from '../../../src/index.ts'
import type { Condition, Item, Program } from './program.ts'
import { mapOf } from './program-map-flow.ts'
import { type ChildFlow, programTasks } from './program-tasks.ts'

/** A program as flows, written with the public functions. */
export interface ProgramFlows {
  readonly flow: Flow<{ start: string }, string>
  /** The flow of its child runs. */
  readonly child: ChildFlow
}

/** The program as a flow. Its handlers, and those of the child runs of its nodes, do what their scripts say. */
export function programFlow(name: string, program: Program): ProgramFlows {
  const { step, child } = programTasks(name, program)
  const whole = flow({ name, input: z.object({ start: z.string() }) }, (input) => {
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
      const uses = item.uses.map(refAt)
      return item.isRun
        ? child.asRun(options)({ uses, key, items: [] })
        : step.with(options)({ uses })
    }
    /** A task's value is its key, and the input says where it starts. */
    const conditionOf = ({ of, holds, form }: Condition): Ref<boolean> => {
      const [ref, value] = of === null ? [input.start, 'x'] : [refAt(of), `n${of}`]
      const isTrue = is(ref, holds ? value : 'another')
      if (form === 'is') return isTrue
      if (form === 'not') return not(is(ref, holds ? 'another' : value))
      return form === 'and' ? and(isTrue, not(not(isTrue))) : or(is(ref, 'neither'), isTrue)
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
          const groups = mapOf(item, item.uses.map(refAt), { step, child })
          for (const [n, group] of groups.entries()) refs[item.end - groups.length + n] = group
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
  return { flow: whole, child }
}
