import { z } from 'zod'
import { type Flow, flow, type TaskContext, task } from '../../../src/index.ts'
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
