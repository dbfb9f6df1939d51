import type { Job } from 'bullmq'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { flow, policy, task } from '../../src/index.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import {
  eventually,
  kindsOf,
  nodeOf,
  openScene,
  runEnd,
  type Scene,
  stopReasonOf,
  TEST_TIMEOUT_MS,
} from './scene.ts'

/** A handler that fails for the first `failures` executions, and the nodes that were executed. */
function brokenThing(failures: number) {
  const executed: string[] = []
  const step = task({ name: 'step', input: z.object({ after: z.unknown() }) }, (_, { node }) => {
    executed.push(node)
    return node
  })
  const broken = task(
    {
      name: 'broken',
      input: z.object({ after: z.unknown() }),
      retry: policy.constant({ delay: 1, maxRetries: 1 }),
    },
    (_, { node }) => {
      executed.push(node)
      if (executed.filter((other) => other === node).length <= failures) throw new Error('broken')
      return node
    },
  )
  return { executed, step, broken }
}

async function failedJob(scene: Scene, queue = 'default'): Promise<Job> {
  return await eventually(async () => {
    const jobs = await scene.queue(queue).getFailed()
    expect(jobs).toHaveLength(1)
    const [job] = jobs
    if (!job) throw new Error('no failed job')
    return job
  })
}

describeWithRedis('Retry on a failed job', () => {
  describe('of a finally failed node', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test.for([
      { name: 'plainly', options: {} },
      {
        name: 'with its attempts reset',
        options: { resetAttemptsMade: true, resetAttemptsStarted: true },
      },
    ])('pressed $name executes only that node again', async ({ options }, context) => {
      const scene = openScene(context.onTestFinished)
      const { executed, step, broken } = brokenThing(2)
      const chain = flow({ name: 'chain', input: z.object({}) }, () => {
        const a = step.with({ key: 'a' })({ after: 1 })
        const side = step.with({ key: 'side' })({ after: a })
        const b = broken.with({ key: 'b' })({ after: a })
        const c = step.with({ key: 'c' })({ after: b })
        return step.with({ key: 'd' })({ after: [c, side] })
      })
      await scene.startWorker({ flows: [chain] })
      const run = await scene.producer.enqueue(chain, {})
      const failed = await runEnd(run)
      expect(failed.state).toBe('failed')
      expect(nodeOf(failed, 'c')).toMatchObject({ state: 'upstream_failed', causedBy: 'b' })
      expect(nodeOf(failed, 'd')).toMatchObject({ state: 'upstream_failed', causedBy: 'b' })

      await (await failedJob(scene)).retry('failed', options)
      await eventually(async () => expect(await run.state()).toBe('succeeded'))
      const ended = await runEnd(run)
      expect(executed.toSorted()).toEqual(['a', 'b', 'b', 'b', 'c', 'd', 'side'])
      expect(kindsOf(ended, 'b')).toEqual(['error', 'error', 'retried'])
      expect(nodeOf(ended, 'b')).toMatchObject({ attempts: 3, retriesUsed: 0, state: 'succeeded' })
      expect(await run.result()).toBe('d')
      await eventually(async () => expect(await scene.queue().getFailed()).toEqual([]))
    })

    test('gives it a fresh budget, and can be pressed again', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const { executed, broken } = brokenThing(6)
      await scene.startWorker({ tasks: [broken] })
      const run = await scene.producer.enqueue(broken, { after: 1 })
      for (const round of [1, 2, 3]) {
        const ended = await eventually(async () => {
          const read = await runEnd(run)
          expect(nodeOf(read, 'broken').attempts).toBe(2 * round)
          return read
        })
        expect(stopReasonOf(ended, 'broken')).toBe('exhausted')
        expect(nodeOf(ended, 'broken').retriesUsed).toBe(1)
        await (await failedJob(scene)).retry('failed')
        await eventually(() => expect(executed.length).toBeGreaterThan(2 * round))
      }
      await eventually(async () => expect(await run.state()).toBe('succeeded'))
      const kinds = kindsOf(await runEnd(run), 'broken')
      expect(kinds.filter((kind) => kind === 'retried')).toHaveLength(3)
      expect(nodeOf(await runEnd(run), 'broken').attempts).toBe(7)
    })

    test('tells whoever asks for the result again', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const { broken } = brokenThing(2)
      await scene.startWorker({ tasks: [broken] })
      const run = await scene.producer.enqueue(broken, { after: 1 })
      await expect(run.result({ timeout: '30s' })).rejects.toMatchObject({ node: 'broken' })
      await (await failedJob(scene)).retry('failed')
      await eventually(async () => expect(await run.state()).not.toBe('failed'))
      expect(await run.result({ timeout: '30s' })).toBe('broken')
    })

    test('works for a job that somebody else added', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const { executed, broken } = brokenThing(2)
      await scene.startWorker({ tasks: [broken] })
      const data = { v: 1, kind: 'task', task: 'broken', input: { after: 1 } }
      const job = await scene.queue().add('broken', data, { jobId: 'mine' })
      const run = scene.foreignRun(job)
      await runEnd(run)
      await (await failedJob(scene)).retry('failed')
      await eventually(async () => expect(await run.state()).toBe('succeeded'))
      expect(executed).toHaveLength(3)
    })

    test('is refused when a node that depends on it has started', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const { executed, step, broken } = brokenThing(2)
      const alerted = flow({ name: 'alerted', input: z.object({}) }, () => {
        const x = broken.with({ key: 'x' })({ after: 1 })
        return step.with({ key: 'alert', trigger: 'any_failed', after: [x] })({ after: 1 })
      })
      await scene.startWorker({ flows: [alerted] })
      const run = await scene.producer.enqueue(alerted, {})
      const before = await runEnd(run)
      expect(before.state).toBe('failed')
      expect(nodeOf(before, 'alert').state).toBe('succeeded')
      const job = await failedJob(scene)
      expect(job.failedReason).toBe('broken')
      await job.retry('failed')

      await eventually(async () => {
        expect((await failedJob(scene)).failedReason).toMatch(
          /a node that depends on it has started/,
        )
      })
      expect(executed).toEqual(['x', 'x', 'alert'])
      expect(await runEnd(run)).toEqual({ ...before, graph: expect.anything() })
    })

    test('reopens one of two failed branches', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const { step, broken } = brokenThing(2)
      const branches = flow({ name: 'branches', input: z.object({}) }, () => {
        const left = broken.with({ key: 'left' })({ after: 1 })
        const right = broken.with({ key: 'right', queue: 'side' })({ after: 1 })
        return step.with({ key: 'both' })({ after: [left, right] })
      })
      const queues = { default: { concurrency: 5 }, side: { concurrency: 5 } }
      await scene.startWorker({ flows: [branches], queues })
      const run = await scene.producer.enqueue(branches, {})
      expect((await runEnd(run)).state).toBe('failed')
      await (await failedJob(scene, 'side')).retry('failed')
      await eventually(async () => {
        const read = await runEnd(run)
        expect(nodeOf(read, 'right').state).toBe('succeeded')
      })
      const half = await runEnd(run)
      expect(half.state).toBe('failed')
      expect(nodeOf(half, 'both')).toMatchObject({ state: 'upstream_failed', causedBy: 'left' })

      await (await failedJob(scene)).retry('failed')
      await eventually(async () => expect(await run.state()).toBe('succeeded'))
      expect(await run.result()).toBe('both')
    })
  })

  test('promoting a retry before its time executes nothing early', {
    timeout: TEST_TIMEOUT_MS,
  }, async ({ onTestFinished }) => {
    const scene = openScene(onTestFinished)
    const starts: number[] = []
    const slow = task(
      {
        name: 'slow',
        input: z.object({}),
        retry: policy.constant({ delay: 1_500, maxRetries: 1 }),
      },
      async (_, { attempt }) => {
        const [seconds = 0, micros = 0] = (await scene.redis.time()).map(Number)
        starts.push(seconds * 1_000 + micros / 1_000)
        if (attempt === 1) throw new Error('later')
        return attempt
      },
    )
    await scene.startWorker({ tasks: [slow] })
    const run = await scene.producer.enqueue(slow, {})
    for (let promotions = 0; promotions < 3; promotions++) {
      await eventually(async () => {
        const [job] = await scene.queue().getDelayed()
        if (!job) throw new Error('nothing is delayed')
        await job.promote()
      })
    }
    expect(await run.result({ timeout: '30s' })).toBe(2)
    const [first = 0, second = 0] = starts
    expect(starts).toHaveLength(2)
    expect(second - first).toBeGreaterThanOrEqual(1_500)
    const ended = await runEnd(run)
    expect(nodeOf(ended, 'slow')).toMatchObject({ attempts: 2, retriesUsed: 1, crashes: 0 })
  })
})
