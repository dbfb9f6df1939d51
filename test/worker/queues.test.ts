import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { flow, task, type WorkerOptions } from '../../src/index.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { eventually, openScene, runEnd, TEST_TIMEOUT_MS } from './scene.ts'

const none = z.object({})

describeWithRedis('queues', () => {
  describe('of tasks', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test('lead each node to the worker that serves its queue', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const fleet = (where: string) => {
        const tell = (_: unknown, { node }: { node: string }) => `${node}@${where}`
        const light = task({ name: 'light', input: z.object({ after: z.unknown() }) }, tell)
        const heavy = task(
          { name: 'heavy', input: z.object({ after: z.unknown() }), queue: 'gpu' },
          tell,
        )
        return flow({ name: 'mixed', input: none }, () => {
          const a = light.with({ key: 'a' })({ after: 1 })
          const b = heavy.with({ key: 'b' })({ after: a })
          const c = light.with({ key: 'c' })({ after: b })
          const d = heavy.with({ key: 'd', queue: 'default' })({ after: c })
          const e = light.with({ key: 'e', queue: 'gpu' })({ after: d })
          return [a, b, c, d, e]
        })
      }
      const mixed = fleet('default')
      await scene.startWorker({ flows: [mixed] })
      await scene.startWorker({ flows: [fleet('gpu')], queues: { gpu: { concurrency: 1 } } })
      const run = await scene.producer.enqueue(mixed, {})
      expect(await run.result({ timeout: '30s' })).toEqual([
        'a@default',
        'b@gpu',
        'c@default',
        'd@default',
        'e@gpu',
      ])
    })

    test('of a flow is where it is enqueued, and where its nodes run', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      const step = task({ name: 'step', input: z.object({ after: z.unknown() }) }, () => 1)
      const own = flow({ name: 'own', input: none, queue: 'own' }, () =>
        step.with({ key: 'b' })({ after: step({ after: 1 }) }),
      )
      await scene.startWorker({ flows: [own], queues: { own: { concurrency: 1 } } })
      const run = await scene.producer.enqueue(own, {})
      expect(await run.result({ timeout: '30s' })).toBe(1)
    })
  })

  describe('given at enqueue', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    const step = task({ name: 'step', input: z.object({ after: z.unknown() }) }, () => 1)
    const pair = flow({ name: 'pair', input: none }, () =>
      step.with({ key: 'b' })({ after: step({ after: 1 }) }),
    )

    test('are where a single task runs', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      await scene.startWorker({ tasks: [step], queues: { express: { concurrency: 1 } } })
      const run = await scene.producer.enqueue(step, { after: 1 }, { queue: 'express' })
      expect(await run.result({ timeout: '30s' })).toBe(1)
    })

    test('are where the nodes of a flow run that name none', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      await scene.startWorker({ flows: [pair], queues: { express: { concurrency: 1 } } })
      const run = await scene.producer.enqueue(pair, {}, { queue: 'express' })
      expect(await run.result({ timeout: '30s' })).toBe(1)
    })
  })

  describe('concurrency', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test('bounds the handlers of each queue, of many runs and fan-outs', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      const running = new Map<string, number>()
      const most = new Map<string, number>()
      const inQueue = async (queue: string) => {
        const now = (running.get(queue) ?? 0) + 1
        running.set(queue, now)
        most.set(queue, Math.max(most.get(queue) ?? 0, now))
        await scene.redis.ping()
        await new Promise((resolve) => setTimeout(resolve, 10))
        running.set(queue, (running.get(queue) ?? 1) - 1)
        return queue
      }
      const input = z.object({ after: z.unknown() })
      const slow = task({ name: 'slow', input }, () => inQueue('default'))
      const side = task({ name: 'side', input, queue: 'side' }, () => inQueue('side'))
      const wide = flow({ name: 'wide', input: none }, () => {
        const first = slow.with({ key: 'first' })({ after: 1 })
        const fan = Array.from({ length: 6 }, (_, i) =>
          (i % 2 ? side : slow).with({ key: `n${i}` })({ after: first }),
        )
        return slow.with({ key: 'last' })({ after: fan })
      })
      const queues: WorkerOptions['queues'] = {
        default: { concurrency: 3 },
        side: { concurrency: 2 },
      }
      await scene.startWorker({ flows: [wide], queues })
      const runs = await Promise.all(
        Array.from({ length: 5 }, () => scene.producer.enqueue(wide, {})),
      )
      for (const run of runs) expect((await runEnd(run)).state).toBe('succeeded')
      expect(most.get('default')).toBe(3)
      expect(most.get('side')).toBe(2)
    })

    test('of 1 executes one handler at a time, and a waiting retry holds no slot', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      const flaky = task(
        { name: 'flaky', input: none, retry: { kind: 'constant', delay: 60_000, maxRetries: 1 } },
        () => {
          throw new Error('later')
        },
      )
      const quick = task({ name: 'quick', input: none }, () => 'quick')
      await scene.startWorker({ tasks: [flaky, quick], queues: { default: { concurrency: 1 } } })
      const waiting = await scene.producer.enqueue(flaky, {})
      await eventually(async () => expect(await waiting.state()).toBe('retrying'))
      const run = await scene.producer.enqueue(quick, {})
      expect(await run.result({ timeout: '30s' })).toBe('quick')
      expect(await waiting.state()).toBe('retrying')
    })
  })

  test('several flows at once, of several workers, all end', { timeout: TEST_TIMEOUT_MS }, async ({
    onTestFinished,
  }) => {
    const scene = openScene(onTestFinished)
    const executed = new Map<string, number>()
    const input = z.object({ after: z.unknown() })
    const step = task({ name: 'step', input }, (_, { run, node }) => {
      const place = `${run.id} ${node}`
      executed.set(place, (executed.get(place) ?? 0) + 1)
      return node
    })
    const chain = flow({ name: 'chain', input: none }, () => {
      let last = step.with({ key: 'n0' })({ after: 1 })
      for (let i = 1; i < 6; i++) last = step.with({ key: `n${i}` })({ after: last })
      return last
    })
    const diamond = flow({ name: 'diamond', input: none }, () => {
      const top = step.with({ key: 'top' })({ after: 1 })
      const left = step.with({ key: 'left' })({ after: top })
      const right = step.with({ key: 'right' })({ after: top })
      return step.with({ key: 'bottom' })({ after: [left, right] })
    })
    const roots = flow({ name: 'roots', input: none }, () => {
      const many = Array.from({ length: 5 }, (_, i) => step.with({ key: `r${i}` })({ after: i }))
      return step.with({ key: 'all' })({ after: many })
    })
    const flows = [chain, diamond, roots]
    await Promise.all([scene.startWorker({ flows }), scene.startWorker({ flows })])
    const enqueued = Array.from({ length: 30 }, (_, i) =>
      scene.producer.enqueue(flows[i % 3] ?? chain, {}),
    )
    const runs = await Promise.all(enqueued)
    for (const run of runs) expect((await runEnd(run)).state).toBe('succeeded')
    expect(executed.size).toBe(10 * (6 + 4 + 6))
    expect(new Set(executed.values())).toEqual(new Set([1]))
    await eventually(async () => {
      const { waiting, active, delayed, failed } = await scene.queue().getJobCounts()
      expect({ waiting, active, delayed, failed }).toEqual({
        waiting: 0,
        active: 0,
        delayed: 0,
        failed: 0,
      })
    })
  })
})
