import { z } from 'zod'
import { type Flow, flow, policy, type TaskContext, task } from '../../../src/index.ts'
import type { EffectsFile } from '../harness/effects.ts'

/** How many nodes a rerun of the flow reuses: several chunks of copies. */
export const REUSED = 450

const input = z.object({ fails: z.int() })

/** Many nodes, then one that fails in the first `fails` runs of a lineage. */
export function rerunFlow(effects: EffectsFile): Flow<z.infer<typeof input>, string> {
  const record = ({ run, node, attempt }: TaskContext) =>
    effects.add('start', run.id, node, attempt)
  const part = task({ name: 'part', input: z.object({}) }, (_, ctx) => {
    record(ctx)
    return ctx.node
  })
  const last = task(
    { name: 'last', input: z.object({ parts: z.array(z.string()), fails: z.int() }) },
    ({ parts, fails }, ctx) => {
      record(ctx)
      if (ctx.run.id.split('~').length <= fails) throw new Error('broken')
      return `${parts.length} parts`
    },
  )
  return flow({ name: 'wide', input }, ({ fails }) => {
    const parts = Array.from({ length: REUSED }, (_, i) => part.with({ key: `part-${i}` })({}))
    return last({ parts, fails })
  })
}

/** One node, which no lost worker is forgiven. */
export function fragileFlow(
  effects: EffectsFile,
  hold: () => void = () => {},
): Flow<Record<string, never>, string> {
  const fragile = task(
    { name: 'fragile', input: z.object({}), retry: policy.none({ maxCrashes: 0 }) },
    (_, { run, node, attempt }) => {
      effects.add('start', run.id, node, attempt)
      hold()
      return 'done'
    },
  )
  return flow({ name: 'fragile', input: z.object({}) }, () => fragile({}))
}
