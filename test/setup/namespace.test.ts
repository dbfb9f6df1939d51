import { Redis } from 'ioredis'
import { describe, expect, test } from 'vitest'
import { describeWithRedis, redisUrl, testNamespace } from './namespace.ts'

describe('testNamespace', () => {
  test('is new at every call', () => {
    const namespaces = Array.from({ length: 100 }, testNamespace)
    expect(new Set(namespaces).size).toBe(100)
  })
})

describeWithRedis('redisUrl', () => {
  test('leads to a Redis that never evicts', async () => {
    const redis = new Redis(redisUrl())
    expect(await redis.config('GET', 'maxmemory-policy')).toContain('noeviction')
    redis.disconnect()
  })
})

describeWithRedis(
  'describeWithRedis',
  () => {
    test('runs what needs a real Redis on a real Redis', async () => {
      const redis = new Redis(redisUrl())
      expect(await redis.info('server')).toContain('process_id')
      redis.disconnect()
    })
  },
  { needs: 'real' },
)
