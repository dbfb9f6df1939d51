import { describe, expect, test } from 'vitest'
import { newRunId, ticketJobId } from '../../src/core/ids.ts'
import { JOB_OPTIONS } from '../../src/producer/job-options.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { eventually, openPlainQueue } from './plain-queue.ts'

describeWithRedis('a job’s id', () => {
  describe('in BullMQ', { concurrent: true, timeout: 60_000 }, () => {
    test('of our form is taken as it is', async ({ onTestFinished }) => {
      const { queue } = openPlainQueue(onTestFinished)
      const runId = newRunId(0)
      for (const jobId of [
        runId,
        ticketJobId(runId, 3),
        `${runId}~1`,
        ticketJobId(`${runId}~1`, 2),
      ]) {
        const job = await queue.add('x', {}, { ...JOB_OPTIONS, jobId })
        expect(job.id).toBe(jobId)
        expect((await queue.getJob(jobId))?.id).toBe(jobId)
      }
    })

    test.for(['17', '0', 'a:b'])('of the form %s is refused', async (jobId, { onTestFinished }) => {
      const { queue } = openPlainQueue(onTestFinished)
      await expect(queue.add('x', {}, { jobId })).rejects.toThrow()
    })

    test.for(['waiting', 'delayed', 'active', 'failed', 'completed'] as const)(
      'that exists (%s) leaves the job as it is',
      async (state, { onTestFinished }) => {
        const { queue, work } = openPlainQueue(onTestFinished)
        let executions = 0
        let go = () => {}
        const gate = new Promise<void>((resolve) => {
          go = resolve
        })
        const delay = state === 'delayed' ? 60_000 : 0
        await queue.add('first', { n: 1 }, { jobId: 'same', delay })
        if (state !== 'waiting' && state !== 'delayed') {
          await work(async () => {
            executions++
            if (state === 'active') await gate
            if (state === 'failed') throw new Error('broken')
          })
        }
        await eventually(async () => expect(await queue.getJobState('same')).toBe(state))
        await queue.add('second', { n: 2 }, { jobId: 'same', priority: 5 })

        const job = await queue.getJob('same')
        expect(job).toMatchObject({ name: 'first', data: { n: 1 } })
        expect(await queue.getJobState('same')).toBe(state)
        expect(executions).toBeLessThanOrEqual(1)
        go()
      },
    )

    test('that was removed at its completion is free again', async ({ onTestFinished }) => {
      const { queue, work } = openPlainQueue(onTestFinished)
      let executions = 0
      await work(async () => {
        executions++
      })
      for (const n of [1, 2]) {
        await queue.add('x', {}, { jobId: 'same', removeOnComplete: true })
        await eventually(async () => {
          expect(executions).toBe(n)
          expect(await queue.getJob('same')).toBeUndefined()
        })
      }
    })
  })
})

describeWithRedis('job.retry', () => {
  test('puts a failed job back under its id, its data and its options', {
    timeout: 60_000,
  }, async ({ onTestFinished }) => {
    const { queue, work } = openPlainQueue(onTestFinished)
    const seen: unknown[] = []
    await work(async (job) => {
      seen.push([job.id, job.data])
      if (seen.length === 1) throw new Error('broken')
    })
    await queue.add('x', { n: 1 }, { jobId: 'mine' })
    const failed = await eventually(async () => {
      const job = await queue.getJob('mine')
      expect(await job?.isFailed()).toBe(true)
      return job
    })
    await failed?.retry('failed')
    await eventually(async () => expect(await queue.getJobState('mine')).toBe('completed'))
    expect(seen).toEqual([
      ['mine', { n: 1 }],
      ['mine', { n: 1 }],
    ])
  })
})
