import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { flow, policy, task } from '../../src/index.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import {
  eventually,
  kindsOf,
  newGate,
  nodeOf,
  openScene,
  runEnd,
  TEST_TIMEOUT_MS,
} from './scene.ts'

/** A task whose first execution stands at a gate, and ignores or obeys its signal. */
function standingTask(name: string, queue = 'default') {
  const gate = newGate()
  const seen: { starts: number; aborts: string[] } = { starts: 0, aborts: [] }
  const standing = task({ name, queue, input: z.object({}) }, async (_, { signal }) => {
    seen.starts++
    if (seen.starts > 1) return 'second'
    signal.addEventListener('abort', () => {
      const reason: unknown = signal.reason
      if (reason instanceof Error) seen.aborts.push(reason.message)
    })
    await gate.opened
    return 'first'
  })
  return { gate, seen, standing }
}

describeWithRedis('Worker.close()', () => {
  describe('with running handlers', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test('waits until they have ended', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const { gate, seen, standing } = standingTask('standing')
      const worker = await scene.startWorker({ tasks: [standing], shutdownTimeout: '1h' })
      const run = await scene.producer.enqueue(standing, {})
      await eventually(() => expect(seen.starts).toBe(1))
      let isClosed = false
      const closing = worker.close().then(() => {
        isClosed = true
      })
      await scene.redis.ping()
      expect(isClosed).toBe(false)
      gate.open()
      await closing

      expect(await run.result({ timeout: '30s' })).toBe('first')
      expect(seen.aborts).toEqual([])
      expect(kindsOf(await runEnd(run), 'standing')).toEqual([])
    })

    test('interrupts those that outlast the timeout, at no cost', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const { gate, seen, standing } = standingTask('standing')
      onTestFinished(async () => gate.open())
      const worker = await scene.startWorker({ tasks: [standing], shutdownTimeout: 50 })
      const run = await scene.producer.enqueue(standing, {}, { retry: { kind: 'none' } })
      await eventually(() => expect(seen.starts).toBe(1))
      await worker.close()
      expect(seen.aborts).toEqual(['the worker is shutting down'])
      await scene.startWorker({ tasks: [standing] })

      expect(await run.result({ timeout: '30s' })).toBe('second')
      const ended = await runEnd(run)
      expect(kindsOf(ended, 'standing')).toEqual(['interrupted'])
      expect(nodeOf(ended, 'standing')).toMatchObject({ attempts: 2, retriesUsed: 0, crashes: 0 })
    })

    test('records the shutdown, not what the handler throws then', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      let starts = 0
      const angry = task({ name: 'angry', input: z.object({}) }, async (_, { signal }) => {
        starts++
        if (starts > 1) return 'calm'
        return await new Promise<string>((_, reject) => {
          signal.addEventListener('abort', () => reject(new Error('how dare you')))
        })
      })
      const worker = await scene.startWorker({ tasks: [angry], shutdownTimeout: 0 })
      const run = await scene.producer.enqueue(angry, {})
      await eventually(() => expect(starts).toBe(1))
      await worker.close()
      await scene.startWorker({ tasks: [angry] })

      expect(await run.result({ timeout: '30s' })).toBe('calm')
      const [entry] = nodeOf(await runEnd(run), 'angry').log
      expect(entry).toMatchObject({
        kind: 'interrupted',
        error: { message: 'the worker is shutting down' },
        decision: { action: 'retry', rule: 'interrupted', delayMs: 0 },
      })
    })

    test('interrupts all handlers of all queues at once', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const things = [standingTask('one'), standingTask('two'), standingTask('three', 'side')]
      onTestFinished(async () => {
        for (const { gate } of things) gate.open()
      })
      const tasks = things.map(({ standing }) => standing)
      const queues = { default: { concurrency: 2 }, side: { concurrency: 1 } }
      const worker = await scene.startWorker({ tasks, queues, shutdownTimeout: 20 })
      const [one, two, three] = tasks
      if (!one || !two || !three) throw new Error('three tasks')
      const runs = [
        await scene.producer.enqueue(one, {}),
        await scene.producer.enqueue(two, {}),
        await scene.producer.enqueue(three, {}),
      ]
      await eventually(() => expect(things.map(({ seen }) => seen.starts)).toEqual([1, 1, 1]))
      await worker.close()
      await scene.startWorker({ tasks, queues })

      const results = await Promise.all(runs.map((run) => run.result({ timeout: '30s' })))
      expect(results).toEqual(['second', 'second', 'second'])
    })
  })

  describe('at any time', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test('may be called twice, and before anything was connected', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const worker = await scene.startWorker()
      await Promise.all([worker.close(), worker.close()])
      await worker.close()
    })

    test('leaves a waiting retry to the next worker', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const retry = policy.constant({ delay: 400, maxRetries: 1 })
      const flaky = task({ name: 'flaky', input: z.object({}), retry }, (_, { attempt }) => {
        if (attempt === 1) throw new Error('once')
        return attempt
      })
      const worker = await scene.startWorker({ tasks: [flaky] })
      const run = await scene.producer.enqueue(flaky, {})
      await eventually(async () => expect(await run.state()).toBe('retrying'))
      await worker.close()
      await scene.startWorker({ tasks: [flaky] })
      expect(await run.result({ timeout: '30s' })).toBe(2)
    })

    test('in the middle of a flow leaves the rest to others', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const executed: string[] = []
      let closing: Promise<void> | null = null
      const step = task(
        { name: 'step', input: z.object({ after: z.unknown() }) },
        (_, { node }) => {
          executed.push(node)
          if (node === 'b') closing ??= worker.close()
          return node
        },
      )
      const chain = flow({ name: 'chain', input: z.object({}) }, () => {
        const a = step.with({ key: 'a' })({ after: 1 })
        const b = step.with({ key: 'b' })({ after: a })
        const c = step.with({ key: 'c' })({ after: b })
        return step.with({ key: 'd' })({ after: c })
      })
      const worker = await scene.startWorker({ flows: [chain], shutdownTimeout: '1h' })
      const run = await scene.producer.enqueue(chain, {})
      await eventually(() => expect(closing).not.toBeNull())
      await closing
      await scene.startWorker({ flows: [chain] })
      expect(await run.result({ timeout: '30s' })).toBe('d')
      expect(executed).toEqual(['a', 'b', 'c', 'd'])
    })
  })
})
