import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Task, task } from '../../src/index.ts'
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

interface Standing {
  readonly standing: Task<Record<string, never>, string>
  readonly causes: unknown[]
  starts(): number
  open(): void
}

/** A task whose first execution stands at a gate; what later ones do is up to the test. */
function standingTask(later: () => Promise<string> | string = () => 'second'): Standing {
  const gate = newGate()
  const causes: unknown[] = []
  let starts = 0
  const standing = task({ name: 'standing', input: z.object({}) }, async (_, { signal }) => {
    starts++
    if (starts > 1) return await later()
    signal.addEventListener('abort', () => causes.push(signal.reason?.abortCause))
    await gate.opened
    return 'first'
  })
  return { standing, causes, starts: () => starts, open: gate.open }
}

const oneSlot = { queues: { default: { concurrency: 1 } } }

describeWithRedis('a lease that is lost while its worker lives', () => {
  describe('to another worker', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test('aborts the signal, and the attempt is a crash', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const { standing, causes, starts, open } = standingTask()
      onTestFinished(async () => open())
      const refusals: string[] = []
      await scene.startWorker({
        tasks: [standing],
        ...oneSlot,
        leaseDuration: '2s',
        stalledInterval: '1h',
        hooks: { onRefused: ({ answer }) => refusals.push(answer) },
      })
      const run = await scene.producer.enqueue(standing, {})
      await eventually(() => expect(starts()).toBe(1))
      await scene.redis.del(`${scene.prefix}:default:${run.id}:lock`)
      await eventually(() => expect(causes).toEqual(['lease_lost']))
      await scene.redis.del(`${scene.prefix}:default:stalled-check`)
      await scene.startWorker({ tasks: [standing], stalledInterval: '200ms' })

      expect(await run.result({ timeout: '30s' })).toBe('second')
      const ended = await runEnd(run)
      expect(kindsOf(ended, 'standing')).toEqual(['crash'])
      expect(nodeOf(ended, 'standing')).toMatchObject({ attempts: 2, retriesUsed: 0, crashes: 1 })
      expect(refusals).toEqual([])
    })

    test('makes the settle superseded of a worker that did not hear of it', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      const { standing, starts, open } = standingTask()
      const refusals: string[] = []
      await scene.startWorker({
        tasks: [standing],
        ...oneSlot,
        // Renewed so seldom that it hears of the loss only from its settle.
        leaseDuration: '1h',
        stalledInterval: '1h',
        hooks: { onRefused: ({ answer }) => refusals.push(answer) },
      })
      const run = await scene.producer.enqueue(standing, {})
      await eventually(() => expect(starts()).toBe(1))
      await scene.redis.del(`${scene.prefix}:default:${run.id}:lock`)
      await scene.redis.del(`${scene.prefix}:default:stalled-check`)
      await scene.startWorker({ tasks: [standing], stalledInterval: '200ms' })
      expect(await run.result({ timeout: '30s' })).toBe('second')
      const before = await runEnd(run)
      open()

      await eventually(() => expect(refusals).toEqual(['superseded']))
      expect(await runEnd(run)).toEqual({ ...before, graph: expect.anything() })
      expect(await run.result()).toBe('second')
      expect(starts()).toBe(2)
    })
  })

  test('leaves alone a job of the same id in another queue', { timeout: TEST_TIMEOUT_MS }, async ({
    onTestFinished,
  }) => {
    const scene = openScene(onTestFinished)
    const gate = newGate()
    onTestFinished(async () => gate.open())
    const causes: unknown[] = []
    const starts: string[] = []
    const standing = task({ name: 'standing', input: z.string() }, async (queue, { signal }) => {
      starts.push(queue)
      signal.addEventListener('abort', () => causes.push([queue, signal.reason?.abortCause]))
      await gate.opened
      return queue
    })
    await scene.startWorker({
      tasks: [standing],
      queues: { default: { concurrency: 1 }, side: { concurrency: 1 } },
      leaseDuration: '2s',
      stalledInterval: '1h',
    })
    const jobs = await Promise.all(
      ['default', 'side'].map((queue) => {
        const data = { v: 1, kind: 'task', task: 'standing', input: queue }
        return scene.queue(queue).add('standing', data, { jobId: 'same' })
      }),
    )
    await eventually(() => expect(starts.toSorted()).toEqual(['default', 'side']))
    await scene.redis.del(`${scene.prefix}:default:same:lock`)
    await eventually(() => expect(causes).not.toEqual([]))
    const [, inSide] = jobs
    if (!inSide) throw new Error('two jobs')
    expect(causes).toEqual([['default', 'lease_lost']])
    gate.open()
    const ended = await runEnd(scene.foreignRun(inSide, 'side'))
    expect(ended.state).toBe('succeeded')
    expect(kindsOf(ended, 'standing')).toEqual([])
  })

  describe('to the same worker', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test('aborts the old attempt, and keeps the lease of the new one', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      // The second attempt outlasts three leases: it ends in time only if its lease is renewed.
      const later = () =>
        new Promise<string>((resolve) => setTimeout(() => resolve('second'), 4_500))
      const { standing, causes, starts, open } = standingTask(later)
      await scene.startWorker({
        tasks: [standing],
        leaseDuration: '1500ms',
        stalledInterval: '200ms',
      })
      const run = await scene.producer.enqueue(standing, {})
      await eventually(() => expect(starts()).toBe(1))
      await scene.redis.del(`${scene.prefix}:default:${run.id}:lock`)
      await eventually(() => expect(starts()).toBe(2))
      open()

      expect(await run.result({ timeout: '30s' })).toBe('second')
      expect(kindsOf(await runEnd(run), 'standing')).toEqual(['crash'])
      expect(causes).toEqual(['lease_lost'])
    })
  })
})
