import { z } from 'zod'
import { flow, policy, type Ref } from '../../../src/index.ts'
import type { MapItem } from './program.ts'
import type { ProgramTasks } from './program-tasks.ts'

/**
 * A map of a program, written with the public functions.
 *
 * @param uses what its items use from outside
 * @returns its groups. The tasks take any value, so one type of Ref serves all nodes.
 */
export function mapOf(
  map: MapItem,
  uses: readonly unknown[],
  tasks: ProgramTasks,
): readonly Ref<string>[] {
  const { key, tolerate } = map
  const retry = policy.constant({ delay: 5, maxRetries: map.maxRetries })
  const numbers = Array.from({ length: map.count }, (_, i) => i)
  const options = tolerate === null ? {} : { tolerate }
  const first =
    map.form === 'task'
      ? tasks.step.with({ key, retry }).map(numbers, (n) => ({ uses: [n, ...uses] }), options)
      : flowOf(map, tasks)
          .with({ key })
          .map(numbers, (item) => ({ uses: [...uses], item }), options)
  if (map.stages === 1) return [first as never]
  const next = tasks.step.with({ key: `${key}-b`, retry })
  return [
    first as never,
    next.map(first as never, (value: unknown) => ({ uses: [value] })) as never,
  ]
}

/** The flow that a map repeats. */
function flowOf({ key, run, inner, maxRetries }: MapItem, { step, child }: ProgramTasks) {
  const retry = policy.constant({ delay: 5, maxRetries })
  const input = z.object({ uses: z.array(z.unknown()), item: z.number() })
  return flow({ name: 'inner', input }, (given) => {
    const call = (own: 'a' | 'b', uses: Ref<unknown>[]): Ref<string> =>
      run === own
        ? child.asRun({ key: own, retry })({ uses, key: `${key}[*]/${own}`, items: [given.item] })
        : step.with({ key: own, retry })({ uses })
    const a = call('a', [given.uses])
    const last = inner ? mapOf(inner, [a], { step, child }).at(-1) : a
    return { b: call('b', [last ?? a]) }
  })
}
