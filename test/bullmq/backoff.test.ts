import { DelayedError, UnrecoverableError } from 'bullmq'
import { describe, expect, test } from 'vitest'
import { describeWithRedis } from '../setup/namespace.ts'
import { eventually, openPlainQueue } from './plain-queue.ts'

const MANY = 2 ** 31 - 1

describeWithRedis('settings.backoffStrategy of BullMQ', () => {
  describe('is asked', { concurrent: true, timeout: 60_000 }, () => {
    test.for([
      {
        name: 'for a type of our own',
        opts: { attempts: MANY, backoff: { type: 'reprise' } },
        asked: true,
      },
      {
        name: 'not for fixed',
        opts: { attempts: MANY, backoff: { type: 'fixed', delay: 60_000 } },
        asked: false,
      },
      {
        name: 'not for exponential',
        opts: { attempts: MANY, backoff: { type: 'exponential', delay: 60_000 } },
        asked: false,
      },
      {
        name: 'not at the last attempt',
        opts: { attempts: 1, backoff: { type: 'reprise' } },
        asked: false,
      },
      { name: 'not without a backoff', opts: { attempts: 1 }, asked: false },
    ])('$name', async ({ opts, asked }, { onTestFinished }) => {
      const { queue, work } = openPlainQueue(onTestFinished)
      const calls: unknown[] = []
      const thrown = new Error('broken')
      await work(
        async () => {
          throw thrown
        },
        {
          settings: {
            backoffStrategy: (made, type, error, job) => {
              calls.push([made, type, error === thrown, job?.id])
              return 60_000
            },
          },
        },
      )
      const { id = '' } = await queue.add('x', {}, opts)
      const isRetried = opts.attempts > 1
      await eventually(async () => {
        const job = await queue.getJob(id)
        expect(await (isRetried ? job?.isDelayed() : job?.isFailed())).toBe(true)
      })
      expect(calls).toEqual(asked ? [[1, 'reprise', true, id]] : [])
    })

    test('for a job of somebody else whose options are set in memory', async ({
      onTestFinished,
    }) => {
      const { queue, work } = openPlainQueue(onTestFinished)
      let executions = 0
      await work(
        async (job) => {
          executions++
          if (executions === 3) return
          job.opts.attempts = MANY
          job.opts.backoff = { type: 'reprise' }
          throw new Error(`failure ${executions}`)
        },
        { settings: { backoffStrategy: async () => 5 } },
      )
      const { id = '' } = await queue.add('x', {}, { attempts: 1 })
      await eventually(async () => {
        expect(await (await queue.getJob(id))?.isCompleted()).toBe(true)
      })
      const job = await queue.getJob(id)
      expect(executions).toBe(3)
      expect(job?.attemptsMade).toBe(3)
      expect(job?.opts.attempts).toBe(1)
    })
  })

  describe('answers', { concurrent: true, timeout: 60_000 }, () => {
    test('-1, and the job has failed', async ({ onTestFinished }) => {
      const { queue, work } = openPlainQueue(onTestFinished)
      await work(() => Promise.reject(new Error('broken')), {
        settings: { backoffStrategy: () => -1 },
      })
      const { id = '' } = await queue.add('x', {}, { attempts: MANY, backoff: { type: 'reprise' } })
      await eventually(async () => expect(await (await queue.getJob(id))?.isFailed()).toBe(true))
    })

    test('a delay, and the job waits with its reason, one stack trace and one attempt more', async ({
      onTestFinished,
    }) => {
      const { queue, work, redis, prefix } = openPlainQueue(onTestFinished)
      await work(() => Promise.reject(new Error('broken')), {
        settings: { backoffStrategy: () => 60_000 },
      })
      const { id = '' } = await queue.add('x', {}, { attempts: MANY, backoff: { type: 'reprise' } })
      await eventually(async () => expect(await (await queue.getJob(id))?.isDelayed()).toBe(true))
      const job = await queue.getJob(id)
      expect(job?.failedReason).toBe('broken')
      expect(job?.stacktrace).toHaveLength(1)
      expect(job?.attemptsMade).toBe(1)
      expect(await redis.exists(`${prefix}:plain:${id}:lock`)).toBe(0)
    })
  })
})

describeWithRedis('an error that a processor throws', () => {
  describe('as BullMQ reads it', { concurrent: true, timeout: 60_000 }, () => {
    test('UnrecoverableError fails the job at once, whatever its attempts', async ({
      onTestFinished,
    }) => {
      const { queue, work } = openPlainQueue(onTestFinished)
      let asked = 0
      await work(() => Promise.reject(new UnrecoverableError('for good')), {
        settings: { backoffStrategy: () => ++asked },
      })
      const { id = '' } = await queue.add('x', {}, { attempts: MANY, backoff: { type: 'reprise' } })
      await eventually(async () => expect(await (await queue.getJob(id))?.isFailed()).toBe(true))
      const job = await queue.getJob(id)
      expect(job?.failedReason).toBe('for good')
      expect(job?.attemptsMade).toBe(1)
      expect(asked).toBe(0)
    })

    test('DelayedError after moveToDelayed counts no attempt and leaves no trace', async ({
      onTestFinished,
    }) => {
      const { queue, work, redis, prefix } = openPlainQueue(onTestFinished)
      await work(async (job, token) => {
        await job.moveToDelayed(Date.now() + 60_000, token)
        throw new DelayedError('later')
      })
      const { id = '' } = await queue.add('x', {})
      await eventually(async () => expect(await (await queue.getJob(id))?.isDelayed()).toBe(true))
      const job = await queue.getJob(id)
      expect(job?.attemptsMade).toBe(0)
      expect(job?.stacktrace).toEqual([])
      expect(job?.failedReason).toBeUndefined()
      expect(await redis.exists(`${prefix}:plain:${id}:lock`)).toBe(0)
    })

    test('DelayedError alone leaves the job to stalled recovery', async ({ onTestFinished }) => {
      const { queue, work } = openPlainQueue(onTestFinished)
      let deliveries = 0
      await work(
        async () => {
          deliveries++
          if (deliveries === 1) throw new DelayedError('the lease was lost')
        },
        { lockDuration: 500, stalledInterval: 200, maxStalledCount: 1e6 },
      )
      const { id = '' } = await queue.add('x', {})
      await eventually(async () => expect(await (await queue.getJob(id))?.isCompleted()).toBe(true))
      const job = await queue.getJob(id)
      expect(job?.stalledCounter).toBe(1)
      expect(deliveries).toBe(2)
    })
  })
})
