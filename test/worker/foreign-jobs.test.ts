import { Queue } from 'bullmq'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { flow, policy, type RunHandle, task } from '../../src/index.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import {
  eventually,
  kindsOf,
  nodeOf,
  openScene,
  runEnd,
  type Scene,
  TEST_TIMEOUT_MS,
} from './scene.ts'

const double = task({ name: 'double', input: z.object({ n: z.number() }) }, ({ n }) => n * 2)
const flaky = task(
  {
    name: 'flaky',
    input: z.object({ n: z.number() }),
    retry: policy.constant({ delay: 30, maxRetries: 3 }),
  },
  ({ n }, { attempt }) => {
    if (attempt < 3) throw new Error(`failure ${attempt}`)
    return n + attempt
  },
)
const numbers = flow({ name: 'numbers', input: z.object({ n: z.number() }) }, (input) =>
  flaky({ n: double({ n: input.n }) }),
)

const flowJob = { v: 1, kind: 'flow', flow: 'numbers', input: { n: 4 } }

async function addPlain(scene: Scene, data: unknown, options: object): Promise<RunHandle> {
  const job = await scene.queue().add('any name', data, options)
  return scene.foreignRun(job)
}

/** Nothing that came before may have hurt the worker. */
async function expectService(scene: Scene): Promise<void> {
  const run = await scene.producer.enqueue(double, { n: 21 })
  expect(await run.result({ timeout: '30s' })).toBe(42)
}

describeWithRedis('a job added by a plain BullMQ queue', () => {
  describe('with a good envelope', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test.for([
      { name: 'an id of BullMQ’s own', options: {} },
      { name: 'an id of the caller’s', options: { jobId: 'order-17' } },
      { name: 'attempts 1 and no backoff', options: { attempts: 1 } },
      { name: 'a fixed backoff', options: { attempts: 2, backoff: { type: 'fixed', delay: 5 } } },
      { name: 'removal when it fails', options: { removeOnFail: true, removeOnComplete: true } },
      { name: 'a delay and a priority', options: { delay: 20, priority: 7 } },
      { name: 'the last in, first out order', options: { lifo: true } },
    ])('and $name runs, with retries in place', async ({ options }, { onTestFinished }) => {
      const scene = openScene(onTestFinished)
      await scene.startWorker({ flows: [numbers] })
      const run = await addPlain(scene, flowJob, options)
      const ended = await runEnd(run)

      expect(ended).toMatchObject({ state: 'succeeded', flow: 'numbers' })
      expect(await run.result()).toBe(11)
      expect(kindsOf(ended, 'flaky')).toEqual(['error', 'error'])
      expect(nodeOf(ended, 'flaky')).toMatchObject({ attempts: 3, retriesUsed: 2, crashes: 0 })
    })

    test('of a task runs, and is delayed in place between its attempts', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      await scene.startWorker({ tasks: [flaky] })
      const options = { retry: { kind: 'constant', delay: 1_000, maxRetries: 2 } }
      const data = { v: 1, kind: 'task', task: 'flaky', input: { n: 1 }, options }
      const job = await scene.queue().add('flaky', data, { jobId: 'mine' })
      await eventually(async () => {
        const delayed = await scene.queue().getJob('mine')
        expect(await delayed?.isDelayed()).toBe(true)
        expect(delayed?.failedReason).toBe('failure 1')
      })

      const ended = await runEnd(scene.foreignRun(job))
      expect(ended.state).toBe('succeeded')
      expect(ended.flow).toBe('task:flaky')
    })

    test('is the same run when its job is added twice under one id', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      await scene.queue().add('x', flowJob, { jobId: 'twice' })
      const job = await scene.queue().add('x', flowJob, { jobId: 'twice' })
      await scene.startWorker({ flows: [numbers] })

      const first = await scene.queue().getJob('twice')
      const run = scene.foreignRun(first ?? job)
      expect((await runEnd(run)).state).toBe('succeeded')
    })
  })

  describe('with a bad envelope', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test.for([
      { name: 'no object', data: 'hello', reason: /no envelope of version 1/ },
      { name: 'nothing', data: null, reason: /no envelope of version 1/ },
      { name: 'no kind', data: { v: 1, flow: 'numbers', input: {} }, reason: /'flow' or 'task'/ },
      { name: 'an unknown kind', data: { ...flowJob, kind: 'job' }, reason: /'flow' or 'task'/ },
      { name: 'no name', data: { v: 1, kind: 'flow', input: {} }, reason: /flow/ },
      { name: 'no input', data: { v: 1, kind: 'flow', flow: 'numbers' }, reason: /input/ },
      { name: 'an unknown field', data: { ...flowJob, inputs: 1 }, reason: /inputs/ },
      { name: 'another version', data: { ...flowJob, v: 2 }, reason: /expected 1.*got 2/s },
      { name: 'no version', data: { ...flowJob, v: undefined }, reason: /expected 1/ },
      {
        name: 'an unknown policy',
        data: { ...flowJob, options: { retry: { kind: 'sometimes' } } },
        reason: /retry/,
      },
      {
        name: 'an invalid input',
        data: { ...flowJob, input: { n: 'four' } },
        reason: /the input of numbers is not valid.*expected number/s,
      },
    ])('($name) fails at once and says why', async ({ data, reason }, { onTestFinished }) => {
      const scene = openScene(onTestFinished)
      await scene.startWorker({ flows: [numbers], tasks: [double] })
      const job = await scene.queue().add('x', data, { attempts: 3 })
      const run = await runEnd(scene.foreignRun(job))

      expect(run.state).toBe('failed')
      expect(run.refusal?.reason).toBe('invalid_input')
      expect(run.refusal?.error.message).toMatch(reason)
      await eventually(async () => {
        const failed = await scene.queue().getJob(job.id ?? '')
        expect(await failed?.isFailed()).toBe(true)
        expect(failed?.failedReason).toMatch(reason)
        expect(failed?.attemptsMade).toBe(1)
      })
      await expect(scene.foreignRun(job).result()).rejects.toMatchObject({
        code: 'run_failed',
        reason: 'invalid_input',
      })
      await expectService(scene)
    })

    test('runs after somebody corrected its data and pressed Retry', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      await scene.startWorker({ flows: [numbers] })
      const job = await scene.queue().add('x', { ...flowJob, input: { n: 'four' } })
      await runEnd(scene.foreignRun(job))
      const failed = await eventually(async () => {
        const found = await scene.queue().getJob(job.id ?? '')
        expect(await found?.isFailed()).toBe(true)
        return found
      })
      await failed?.updateData(flowJob)
      await failed?.retry('failed')

      const run = scene.foreignRun(job)
      await eventually(async () => expect(await run.state()).toBe('succeeded'))
      expect(await run.result()).toBe(11)
    })
  })

  describe('with a name that no worker knows', {
    concurrent: true,
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    const unknown = { v: 1, kind: 'flow', flow: 'numbers', input: { n: 4 } }

    test('waits, then fails with no_handler', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      await scene.startWorker({ tasks: [double], unknownTaskTimeout: '2s' })
      const before = Date.now()
      const job = await scene.queue().add('x', unknown)
      await eventually(async () => {
        expect(await (await scene.queue().getJob(job.id ?? ''))?.isDelayed()).toBe(true)
      })
      const run = await runEnd(scene.foreignRun(job))

      expect(Date.now() - before).toBeGreaterThanOrEqual(2_000)
      expect(run.refusal?.reason).toBe('no_handler')
      expect(run.refusal?.error.message).toMatch(/knows numbers, for 2000 ms/)
      await expectService(scene)
    })

    test('runs when a worker that knows it comes in time', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const old = await scene.startWorker({ tasks: [double] })
      const job = await scene.queue().add('x', unknown)
      await eventually(async () => {
        expect(await (await scene.queue().getJob(job.id ?? ''))?.isDelayed()).toBe(true)
      })
      await old.close()
      await scene.startWorker({ flows: [numbers] })

      const run = await runEnd(scene.foreignRun(job))
      expect(run.state).toBe('succeeded')
      expect(nodeOf(run, 'double').attempts).toBe(1)
    })

    test('runs when such a worker comes later and somebody presses Retry', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      const old = await scene.startWorker({ tasks: [double], unknownTaskTimeout: 100 })
      const job = await scene.queue().add('x', unknown)
      await runEnd(scene.foreignRun(job))
      await old.close()
      await scene.startWorker({ flows: [numbers] })
      await (await scene.queue().getJob(job.id ?? ''))?.retry('failed')

      const run = scene.foreignRun(job)
      await eventually(async () => expect(await run.state()).toBe('succeeded'))
    })

    test('waits anew when it is retried too early', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      await scene.startWorker({ tasks: [double], unknownTaskTimeout: '1s' })
      const job = await scene.queue().add('x', unknown)
      await runEnd(scene.foreignRun(job))
      const failed = await scene.queue().getJob(job.id ?? '')
      await failed?.retry('failed')

      await eventually(async () => {
        expect(await (await scene.queue().getJob(job.id ?? ''))?.isDelayed()).toBe(true)
      })
    })
  })

  test('lies under the prefix that the wire format names', async ({ onTestFinished }) => {
    const scene = openScene(onTestFinished)
    await scene.startWorker({ flows: [numbers] })
    const queue = new Queue('default', {
      connection: scene.redis,
      prefix: `{${scene.namespace}:0}`,
    })
    onTestFinished(() => queue.close())
    const job = await queue.add('numbers', flowJob)
    expect((await runEnd(scene.foreignRun(job))).state).toBe('succeeded')
  })
})
