import { z } from 'zod'
import { type Flow, flow, type TaskContext, task } from '../../../src/index.ts'
import type { EffectsFile } from '../harness/effects.ts'
import type { SubjectName } from './cells.ts'

/** A run that only teaches a worker how short its tasks are, or the run that a fault strikes. */
type Purpose = 'warm-up' | 'struck'

export interface Given {
  readonly purpose: Purpose
}

export type TableFlow = Flow<Given, string>

const purpose = z.enum(['warm-up', 'struck'])

/** One flow per subject; their handlers write to `effects` in a run to be struck, and `hold` may stop them there. */
export function tableFlows(
  effects: EffectsFile,
  hold: (ctx: TaskContext) => void | Promise<void> = () => {},
): Record<SubjectName, TableFlow> {
  async function work(given: Given, ctx: TaskContext): Promise<string> {
    if (given.purpose === 'warm-up') return ctx.node
    effects.add('start', ctx.run.id, ctx.node, ctx.attempt)
    await hold(ctx)
    effects.add('done', ctx.run.id, ctx.node, ctx.attempt)
    return ctx.node
  }
  const input = z.object({ purpose })
  const step = task({ name: 'step', input }, work)
  // A name of its own: how long the other tasks take says nothing about this one.
  const short = task({ name: 'short', input }, work)

  return {
    single: flow({ name: 'single', input }, (given) => {
      const a = step.with({ key: 'a' })(given)
      const m = step.with({ key: 'm', queue: 'side', after: [a] })(given)
      return step.with({ key: 'z', after: [m] })(given)
    }),
    company: flow({ name: 'company', input }, (given) => {
      const a = step.with({ key: 'a' })(given)
      const next = ['1', '2', '3'].map((n) => {
        const f = short.with({ key: `f${n}`, queue: 'side', after: [a] })(given)
        return step.with({ key: `g${n}`, after: [f] })(given)
      })
      return step.with({ key: 'z', after: next })(given)
    }),
    continuation: flow({ name: 'continuation', input }, (given) => {
      const a = step.with({ key: 'a' })(given)
      const b = step.with({ key: 'b', after: [a] })(given)
      const c = step.with({ key: 'c', after: [b] })(given)
      return step.with({ key: 'd', queue: 'side', after: [c] })(given)
    }),
  }
}
