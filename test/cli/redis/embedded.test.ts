import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { describe, expect, test } from 'vitest'
import { useEmbedded } from '../../../src/cli/redis/embedded.ts'
import { readServerReport } from '../../../src/coordinator/server-report.ts'
import { findObstacle } from '../../../src/coordinator/server-requirements.ts'
import { stopAtEnd } from './fixtures.ts'

async function startEmbedded() {
  const outcome = await useEmbedded(() => {})
  if (outcome.status === 'skipped') throw new Error(outcome.reason)
  return stopAtEnd(outcome.redis)
}

describe('useEmbedded', () => {
  test('warns loudly', async () => {
    const notices: string[] = []
    const outcome = await useEmbedded((text) => notices.push(text))
    if (outcome.status === 'ready') stopAtEnd(outcome.redis)
    expect(notices).toEqual([expect.stringMatching(/FOR DEMOS ONLY.*memory.*NOT FOR PRODUCTION/)])
    expect(outcome).toMatchObject({ redis: { source: 'embedded', notices } })
  })

  test('carries a BullMQ job from the queue through a worker', async () => {
    const redis = await startEmbedded()
    const connection = new Redis(redis.url, { maxRetriesPerRequest: null })
    const queue = new Queue('numbers', { connection })
    const worker = new Worker('numbers', async (job) => job.data * 2, { connection })
    const completed = new Promise((resolve) => {
      worker.on('completed', (_job, result) => resolve(result))
    })
    await queue.add('double', 21)
    expect(await completed).toBe(42)
    await worker.close()
    await queue.close()
    connection.disconnect()
  })

  test('imitates a server that meets the requirements', async () => {
    const redis = await startEmbedded()
    const report = await readServerReport(redis.url)
    expect(findObstacle(report)).toBeNull()
    expect(report.version).toBe(redis.version)
  })

  test('answers nobody after stop', async () => {
    const redis = await startEmbedded()
    await Promise.all([redis.stop(), redis.stop()])
    await expect(readServerReport(redis.url)).rejects.toThrow(/ECONNREFUSED/)
  })

  const failures = [
    [
      'in a production installation',
      Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' }),
      'the package js-redis-server is not installed',
    ],
    ['where it does not start', new Error('no port'), 'the embedded Redis did not start: no port'],
  ] as const

  test.each(failures)('is skipped %s', async (_name, error, reason) => {
    const outcome = await useEmbedded(
      () => {},
      () => Promise.reject(error),
    )
    expect(outcome).toEqual({ status: 'skipped', reason })
  })
})
