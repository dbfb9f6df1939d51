import { Redis } from 'ioredis'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { Worker } from '../../src/index.ts'
import { OwnRedis, redisServer } from '../faults/tail/own-redis.ts'
import { eventually } from './scene.ts'

describe.skipIf(redisServer === null)('a worker at a Redis that may delete keys', () => {
  test('is not ready, and logs what to do', async ({ onTestFinished }) => {
    const server = await OwnRedis.start()
    const redis = new Redis(server.url)
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru')
    const lines: string[] = []
    const logger = pino({ level: 'error' }, { write: (line: string) => void lines.push(line) })
    const worker = new Worker({ redis: server.url, flows: [], closeOn: [], logger })
    onTestFinished(async () => {
      await worker.close()
      redis.disconnect()
      await server.stop()
    })
    await expect(worker.ready()).rejects.toThrow(
      /127\.0\.0\.1:\d+.*: found maxmemory-policy allkeys-lru, expected noeviction.*CONFIG SET/s,
    )
    await eventually(() => expect(lines.join('')).toContain('found maxmemory-policy allkeys-lru'))
    await redis.config('SET', 'maxmemory-policy', 'noeviction')
    await worker.ready()
  })
})
