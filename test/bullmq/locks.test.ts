import { DelayedError, UnrecoverableError } from 'bullmq'
import { describe, expect, test } from 'vitest'
import { ShardKeys } from '../../src/coordinator/keys.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { eventually, openPlainQueue } from './plain-queue.ts'

interface Delivery {
  readonly lock: string | null
  readonly token: string
  readonly stalled: number
  readonly made: number
}

describeWithRedis('a job’s lock', () => {
  describe('in BullMQ', { concurrent: true, timeout: 60_000 }, () => {
    test('holds the processor’s token, at every delivery and after renewals', async ({
      onTestFinished,
    }) => {
      const { queue, work, redis, prefix } = openPlainQueue(onTestFinished)
      const keys = new ShardKeys(prefix.slice(1, -3), 0)
      const deliveries: Delivery[] = []
      await work(
        async (job, token = '') => {
          const key = `${keys.job('plain', job.id ?? '')}:lock`
          const see = async () => {
            const lock = await redis.get(key)
            deliveries.push({ lock, token, stalled: job.stalledCounter, made: job.attemptsMade })
          }
          await see()
          switch (deliveries.length) {
            case 1:
              // Renewed every 200 ms: without renewals it would be gone.
              await new Promise((resolve) => setTimeout(resolve, 1_000))
              await see()
              await job.moveToDelayed(Date.now() + 5, token)
              throw new DelayedError('handed back')
            case 3:
              throw new Error('retried in place')
            case 4:
              throw new UnrecoverableError('failed')
            case 5:
              await redis.del(key)
              throw new DelayedError('lost')
          }
        },
        {
          lockDuration: 400,
          stalledInterval: 150,
          maxStalledCount: 1e6,
          settings: { backoffStrategy: () => 5 },
        },
      )
      const { id = '' } = await queue.add('x', {}, { attempts: 9, backoff: { type: 'reprise' } })
      const failed = await eventually(async () => {
        const job = await queue.getJob(id)
        expect(await job?.isFailed()).toBe(true)
        return job
      })
      await failed?.retry('failed')
      await eventually(async () => expect(await (await queue.getJob(id))?.isCompleted()).toBe(true))

      expect(keys.job('plain', id)).toBe(`${prefix}:plain:${id}`)
      for (const { lock, token } of deliveries) expect(lock).toBe(token)
      expect(deliveries.map(({ stalled, made }) => `${stalled}.${made}`)).toEqual([
        '0.0', // activation
        '0.0', // after renewals
        '0.0', // a hand-back raises nothing
        '0.1', // an in-place retry raises attemptsMade
        '0.2', // so does a failure that somebody retried
        '1.2', // a stalled redelivery raises the stalled count
      ])
    })

    test('that is gone makes its renewal fail by an event', async ({ onTestFinished }) => {
      const { queue, work, redis, prefix } = openPlainQueue(onTestFinished)
      const lost: string[][] = []
      let go = () => {}
      const worker = await work(() => new Promise<void>((resolve) => (go = resolve)), {
        lockDuration: 500,
        stalledInterval: 60_000,
      })
      worker.on('lockRenewalFailed', (ids: string[]) => lost.push(ids))
      const { id = '' } = await queue.add('x', {})
      await eventually(async () => expect(await redis.del(`${prefix}:plain:${id}:lock`)).toBe(1))
      await eventually(() => expect(lost[0]).toEqual([id]))
      go()
    })

    test('survives no second delivery in the same process: the first one’s end untracks both', async ({
      onTestFinished,
    }) => {
      const { queue, work, redis, prefix } = openPlainQueue(onTestFinished)
      const goes: (() => void)[] = []
      await work(() => new Promise<void>((resolve) => goes.push(resolve)), {
        concurrency: 2,
        lockDuration: 500,
        stalledInterval: 150,
        maxStalledCount: 1e6,
      })
      const { id = '' } = await queue.add('x', {})
      const lock = `${prefix}:plain:${id}:lock`
      await eventually(() => expect(goes).toHaveLength(1))
      await redis.del(lock)
      await eventually(() => expect(goes).toHaveLength(2))
      goes[0]?.()
      await eventually(async () => {
        const job = await queue.getJob(id)
        expect(job?.stalledCounter).toBeGreaterThanOrEqual(2)
      })
      for (const go of goes) go()
    })
  })

  describe('counters', { concurrent: true, timeout: 60_000 }, () => {
    test('retry with resetAttemptsMade zeroes them, and keeps the stack traces', async ({
      onTestFinished,
    }) => {
      const { queue, work } = openPlainQueue(onTestFinished)
      const seen: unknown[] = []
      await work(async (job) => {
        seen.push([job.attemptsMade, job.stacktrace?.length])
        if (seen.length === 1) throw new UnrecoverableError('once')
      })
      const { id = '' } = await queue.add('x', {})
      const failed = await eventually(async () => {
        const job = await queue.getJob(id)
        expect(await job?.isFailed()).toBe(true)
        return job
      })
      await failed?.retry('failed', { resetAttemptsMade: true })
      await eventually(async () => expect(await (await queue.getJob(id))?.isCompleted()).toBe(true))
      expect(seen).toEqual([
        [0, 0],
        [0, 1],
      ])
    })

    test('over maxStalledCount BullMQ fails a job unasked, so ours is 1e6', async ({
      onTestFinished,
    }) => {
      const { queue, work } = openPlainQueue(onTestFinished)
      let deliveries = 0
      const options = { lockDuration: 300, stalledInterval: 100, maxStalledCount: 0 }
      await work(async () => {
        deliveries++
        throw new DelayedError('lost')
      }, options)
      const { id = '' } = await queue.add('x', {})
      await eventually(async () => expect(await (await queue.getJob(id))?.isFailed()).toBe(true))
      expect((await queue.getJob(id))?.failedReason).toMatch(/stalled more than allowable limit/)
      expect(deliveries).toBe(1)
    })
  })
})
