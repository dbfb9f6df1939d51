import { z } from 'zod'
import { type Flow, flow, policy, type TaskContext, task } from '../../../src/index.ts'
import type { EffectsFile } from './effects.ts'

/** Called in a handler after its start was written down. */
export type Hold = (node: string, attempt: number, signal: AbortSignal) => void | Promise<void>

/** The flows of the fault tests, by name. All of them begin with the node `a`. */
export type FixtureFlow = Flow<{ start: string }, string>

const run = z.object({ start: z.string() })
const stepInput = z.object({ after: z.array(z.string()) })

/** Defines the flows anew: their handlers write to `effects`, and `hold` may stop them. */
export function fixtureFlows(effects: EffectsFile, hold: Hold = () => {}): FixtureFlow[] {
  async function work(after: readonly string[], ctx: TaskContext, failures: number) {
    effects.add('start', ctx.run.id, ctx.node, ctx.attempt)
    await hold(ctx.node, ctx.attempt, ctx.signal)
    if (ctx.attempt <= failures) throw new Error(`failure ${ctx.attempt} of ${ctx.node}`)
    effects.add('done', ctx.run.id, ctx.node, ctx.attempt)
    return `${ctx.node}(${after.join(',')})`
  }
  const step = task({ name: 'step', input: stepInput }, ({ after }, ctx) => work(after, ctx, 0))
  const flaky = task(
    {
      name: 'flaky',
      input: stepInput,
      retry: policy.constant({ delay: 300, maxRetries: 3 }),
    },
    ({ after }, ctx) => work(after, ctx, 2),
  )
  const doomed = task(
    { name: 'doomed', input: stepInput, retry: policy.none() },
    ({ after }, ctx) => work(after, ctx, 1),
  )
  const fragile = task(
    { name: 'fragile', input: stepInput, retry: policy.none({ maxCrashes: 0 }) },
    ({ after }, ctx) => work(after, ctx, 0),
  )

  const starting = task({ name: 'starting', input: stepInput }, async ({ after }, ctx) => {
    await ctx.enqueue({ flow: 'one' }, { start: 'first' })
    await ctx.enqueue({ flow: 'one' }, { start: 'second' })
    return await work(after, ctx, 0)
  })

  // Every hop leads to another queue, so that the nodes come by jobs of their own.
  const crossing = ladder('crossing', 'side', 'far')
  const inline = ladder('inline', 'default', 'default')

  function ladder(name: string, side: string, far: string): FixtureFlow {
    return flow({ name, input: run }, (input) => {
      const a = step.with({ key: 'a' })({ after: [input.start] })
      const b = step.with({ key: 'b', queue: side })({ after: [a] })
      const c = step.with({ key: 'c' })({ after: [b] })
      const fan = ['f1', 'f2', 'f3'].map((key) =>
        step.with({ key, queue: key === 'f2' ? far : side })({ after: [c] }),
      )
      const j = step.with({ key: 'j' })({ after: fan })
      return step.with({ key: 'z', queue: side })({ after: [j] })
    })
  }

  const between = (name: string, middle: typeof step) =>
    flow({ name, input: run }, (input) => {
      const a = step.with({ key: 'a' })({ after: [input.start] })
      const m = middle.with({ key: 'm' })({ after: [a] })
      return step.with({ key: 'z' })({ after: [m] })
    })

  const leaf = flow({ name: 'leaf', input: run }, (input) =>
    step.with({ key: 'leaf' })({ after: [input.start] }),
  )
  const withRun = flow({ name: 'with-run', input: run }, (input) => {
    const a = step.with({ key: 'a' })({ after: [input.start] })
    const m = leaf.asRun({ key: 'm' })({ start: a })
    return step.with({ key: 'z' })({ after: [m] })
  })

  return [
    crossing,
    inline,
    between('with-flaky', flaky),
    between('with-doomed', doomed),
    between('with-fragile', fragile),
    between('with-children', starting),
    withRun,
    leaf,
    flow({ name: 'one', input: run }, (input) => step.with({ key: 'a' })({ after: [input.start] })),
  ]
}

/** What a ladder gives when every node ran once on the values of those before it. */
export const LADDER_RESULT = 'z(j(f1(c(b(a(x)))),f2(c(b(a(x)))),f3(c(b(a(x))))))'
