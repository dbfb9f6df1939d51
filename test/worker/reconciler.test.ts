import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { ShardKeys } from '../../src/coordinator/keys.ts'
import { Reruns } from '../../src/coordinator/reruns.ts'
import { childRunId } from '../../src/core/ids.ts'
import { flow, policy, task } from '../../src/index.ts'
import { rerunOptions } from '../../src/producer/rerun-options.ts'
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
      'retries a run as a whole whose worker never did, and adds the job of a rerun that has none',
      async ({ onTestFinished }) => {
        const scene = openScene(onTestFinished)
        const bad = task({ name: 'bad', input: z.object({}) }, (_, { run }) => {
          if (!run.id.includes('~')) throw new Error('broken')
          return 'done'
        })
        const retried = flow({ name: 'retried', input: z.object({}) }, () => bad({}))
        await scene.startWorker({ ...SHORT_BOUND, flows: [retried] })
        const run = await scene.producer.enqueue(retried, {})
        await expect(run.result({ timeout: PATIENCE_MS })).rejects.toMatchObject({ node: 'bad' })
        // As a worker leaves it that dies after the settle which ended the run, its job having gone on.
        const key = `${scene.prefix}/run:${run.id}`
        const options = JSON.stringify({ runRetry: { maxRetries: 1, strategy: 'from-failure' } })
        await scene.redis.hset(key, { ra: '1', rd: 'due', o: options })
        await scene.redis.zadd(`${scene.prefix}/duties`, 0, run.id)
        await expect
          .poll(() => scene.redis.hget(key, 'rd'), { timeout: PATIENCE_MS })
          .toBe(`${run.id}~1`)
        expect(await run.result({ timeout: PATIENCE_MS })).toBe('done')

        const keys = new ShardKeys(scene.namespace, 0)
        const retention = { succeededMs: 3_600_000, failedMs: 3_600_000 }
        const reruns = new Reruns(scene.redis, keys, { retention, maxCrashes: 3 })
        const read = await run.read()
        if (!read) throw new Error('the run is gone')
        const record = rerunOptions('', read, { by: 'hand', strategy: 'all' })
        const created = await reruns.create(run.id, record, { by: 'hand' }, 0, null)
        if (created.status !== 'ok') throw new Error(created.reason)
        const again = scene.producer.run(created.runId)
        expect(await again.state()).toBe('queued')
        expect(await again.result({ timeout: PATIENCE_MS })).toBe('done')
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
      'leaves nodes of a map alone whose child runs wait in another queue',
      async ({ onTestFinished }) => {
        const scene = openScene(onTestFinished)
        const work = task({ name: 'work', input: z.number() }, (n) => n)
        const leaf = flow({ name: 'leaf', input: z.number(), queue: 'leaves' }, (n) => work(n))
        const branch = flow({ name: 'branch', input: z.number() }, (n) => leaf.asRun()(n))
        const family = flow({ name: 'family', input: z.array(z.number()) }, (input) =>
          branch.map(input),
        )
        await scene.startWorker({ ...SHORT_BOUND, flows: [family] })
        const run = await scene.producer.enqueue(family, [1, 2])
        const key = `${scene.prefix}/run:${run.id}`
        const leaves = scene.queue('leaves')
        await expect.poll(() => leaves.getWaitingCount(), { timeout: PATIENCE_MS }).toBe(2)
        await runWith(run, 'branch[1]/leaf', 'waiting')
        await runWith(run, 'branch[0]/leaf', 'waiting')
        const counters = await scene.redis.hget(key, 'k')
        // Long enough for two looks, the bound apart.
        await sleep(6_000)
        expect(await scene.redis.hget(key, 'k')).toBe(counters)
        await scene.startWorker({
          ...SHORT_BOUND,
          flows: [leaf],
          queues: { leaves: { concurrency: 1 } },
        })
        expect(await run.result({ timeout: PATIENCE_MS })).toEqual([1, 2])
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
