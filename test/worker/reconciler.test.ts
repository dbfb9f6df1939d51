import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { childRunId } from '../../src/core/ids.ts'
import { flow, policy, task } from '../../src/index.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { newGate, openScene, PATIENCE_MS, runWith, TEST_TIMEOUT_MS } from './scene.ts'

/** A short bound: max(4 × 300 ms, 1 s + 2 × 300 ms). */
const SHORT_BOUND = { leaseDuration: '1s', stalledInterval: '300ms' } as const

describeWithRedis(
  'the reconciler',
  () => {
    test(
      'ends runs whose queues were obliterated in the middle',
      async ({ onTestFinished }) => {
        const scene = openScene(onTestFinished)
        const executed: string[] = []
        const slow = task(
          { name: 'slow', input: z.object({ n: z.number() }) },
          async ({ n }, ctx) => {
            await sleep(100)
            executed.push(ctx.node)
            return { n: n + 1 }
          },
        )
        const flaky = task(
          {
            name: 'flaky',
            input: z.object({ n: z.number() }),
            retry: policy.constant({ delay: '500ms', maxRetries: 2 }),
          },
          ({ n }, ctx) => {
            if (ctx.attempt < 3) throw new Error('again')
            return { n }
          },
        )
        const fan = flow({ name: 'fan', input: z.object({ n: z.number() }) }, (input) => {
          const first = slow({ n: input.n })
          const middle = Array.from({ length: 5 }, () => slow({ n: first.n }))
          return { middle, last: flaky({ n: first.n }) }
        })
        await scene.startWorker({ ...SHORT_BOUND, flows: [fan] })
        const runs = await Promise.all(
          Array.from({ length: 5 }, (_, n) => scene.producer.enqueue(fan, { n })),
        )
        await expect.poll(() => executed.length, { timeout: PATIENCE_MS }).toBeGreaterThan(6)
        await scene.queue().obliterate({ force: true })
        for (const [n, run] of runs.entries()) {
          const result = await run.result({ timeout: PATIENCE_MS })
          expect(result.last).toEqual({ n: n + 1 })
          expect(result.middle).toHaveLength(5)
        }
      },
      TEST_TIMEOUT_MS,
    )

    test(
      'ends runs that wait for child runs, whatever jobs of both are lost',
      async ({ onTestFinished }) => {
        const scene = openScene(onTestFinished)
        const work = task({ name: 'work', input: z.object({ n: z.number() }) }, async ({ n }) => {
          await sleep(100)
          return n
        })
        const leaf = flow(
          { name: 'leaf', input: z.object({ n: z.number() }), queue: 'leaves' },
          (input) => work({ n: input.n }),
        )
        const family = flow({ name: 'family', input: z.object({ n: z.number() }) }, (input) => [
          leaf.asRun()({ n: input.n }),
          leaf.asRun()({ n: input.n }),
        ])
        const one = { concurrency: 1 }
        await scene.startWorker({ ...SHORT_BOUND, flows: [family] })
        const runs = await Promise.all(
          Array.from({ length: 3 }, (_, n) => scene.producer.enqueue(family, { n })),
        )
        const leaves = scene.queue('leaves')
        await expect.poll(() => leaves.getWaitingCount(), { timeout: PATIENCE_MS }).toBe(6)
        // No child has been opened, and nothing is left of their jobs.
        await leaves.obliterate({ force: true })
        await scene.startWorker({
          ...SHORT_BOUND,
          flows: [leaf],
          queues: { leaves: one },
        })
        for (const [n, run] of runs.entries()) {
          expect(await run.result({ timeout: '60s' })).toEqual([n, n])
          expect((await run.read())?.nodes.map(({ attempts }) => attempts)).toEqual([1, 1])
        }
      },
      TEST_TIMEOUT_MS,
    )

    test(
      'lets a node go on whose child ended without telling it',
      async ({ onTestFinished }) => {
        const scene = openScene(onTestFinished)
        const gate = newGate()
        const work = task({ name: 'work', input: z.object({}) }, async () => {
          await gate.opened
          return 'done'
        })
        const leaf = flow({ name: 'leaf', input: z.object({}) }, () => work({}))
        const family = flow({ name: 'family', input: z.object({}) }, () => leaf.asRun()({}))
        await scene.startWorker({ ...SHORT_BOUND, flows: [family, leaf] })
        const run = await scene.producer.enqueue(family, {})
        const child = childRunId(run.id, 'leaf', 'leaf#1')
        await runWith(run, 'leaf', 'waiting')
        await runWith(scene.producer.run(child), 'work', 'running')
        // As an older version ends it, which knows of no parent that waits.
        await scene.redis.hdel(`${scene.prefix}/run:${child}`, 'wt')
        gate.open()
        expect(await run.result({ timeout: '60s' })).toBe('done')
        expect((await run.read())?.nodes[0]).toMatchObject({ attempts: 1, log: [] })
      },
      TEST_TIMEOUT_MS,
    )

    test(
      'leaves a healthy run alone, however old',
      async ({ onTestFinished }) => {
        const scene = openScene(onTestFinished)
        let attempts = 0
        const long = task({ name: 'long', input: z.object({}) }, async () => {
          attempts++
          await sleep(6_000)
          return attempts
        })
        const alone = flow({ name: 'alone', input: z.object({}) }, () => long({}))
        await scene.startWorker({ ...SHORT_BOUND, flows: [alone] })
        const run = await scene.producer.enqueue(alone, {})
        expect(await run.result({ timeout: PATIENCE_MS })).toBe(1)
        const snapshot = await run.read()
        expect(snapshot?.nodes.map(({ attempts: count }) => count)).toEqual([1])
      },
      TEST_TIMEOUT_MS,
    )
  },
  { needs: 'real' },
)
