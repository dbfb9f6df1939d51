import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { flow, task } from '../../src/index.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import {
  eventually,
  nodeOf,
  openScene,
  runEnd,
  runWith,
  stopReasonOf,
  TEST_TIMEOUT_MS,
} from './scene.ts'

const first = task({ name: 'first', input: z.object({}) }, () => 1)
const second = task({ name: 'second', input: z.object({ n: z.number() }) }, ({ n }) => n + 1)
const served = task({ name: 'served', input: z.object({}), queue: 'other' }, () => 'served')
// The second node is in a queue of its own, which other workers serve.
const twoQueues = flow({ name: 'two-queues', input: z.object({}) }, () =>
  second.with({ queue: 'other' })({ n: first({}) }),
)
const other = { other: { concurrency: 1 } }

describeWithRedis('a node whose task its worker does not know', () => {
  describe('in a run that others know', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test('waits at no cost, and runs on another worker', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      await scene.startWorker({ flows: [twoQueues] })
      const ignorant = await scene.startWorker({ tasks: [first], queues: other })
      const run = await scene.producer.enqueue(twoQueues, {})
      const waiting = await runWith(run, 'second', 'waiting')
      expect(nodeOf(waiting, 'second')).toMatchObject({ waitingFor: 'no_handler', attempts: 0 })
      await ignorant.close()
      await scene.startWorker({ flows: [twoQueues], queues: other })

      const ended = await runEnd(run)
      expect(ended.state).toBe('succeeded')
      expect(await run.result()).toBe(2)
      expect(nodeOf(ended, 'second')).toMatchObject({ attempts: 1, retriesUsed: 0, log: [] })
    })

    test('fails with no_handler after the limit, and the worker serves on', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      await scene.startWorker({ flows: [twoQueues] })
      await scene.startWorker({ tasks: [served], queues: other, unknownTaskTimeout: '2s' })
      const before = Date.now()
      const run = await scene.producer.enqueue(twoQueues, {})
      const ended = await runEnd(run)

      expect(Date.now() - before).toBeGreaterThanOrEqual(2_000)
      expect(ended.state).toBe('failed')
      expect(stopReasonOf(ended, 'second')).toBe('no_handler')
      await expect(run.result()).rejects.toMatchObject({ node: 'second', reason: 'no_handler' })
      const next = await scene.producer.enqueue(served, {})
      expect(await next.result({ timeout: '30s' })).toBe('served')
    })

    test('has a fresh limit when somebody presses Retry', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      await scene.startWorker({ flows: [twoQueues] })
      await scene.startWorker({ tasks: [first], queues: other, unknownTaskTimeout: '1s' })
      const run = await scene.producer.enqueue(twoQueues, {})
      await runEnd(run)
      const job = await eventually(async () => {
        const [failed] = await scene.queue('other').getFailed()
        expect(failed).toBeDefined()
        return failed
      })
      await job?.retry('failed')

      await runWith(run, 'second', 'waiting')
    })
  })
})
