import { describe, expect, test } from 'vitest'
import { provisionRedis } from '../../../src/cli/redis/provision-redis.ts'
import {
  describeWithServer,
  machineWith,
  machineWithServer,
  startServer,
  stopAtEnd,
} from './fixtures.ts'

describe('provisionRedis', () => {
  test('does not fall back when REDIS_URL leads nowhere', async () => {
    const machine = machineWithServer()
    const env = { ...machine.env, REDIS_URL: 'redis://127.0.0.1:1' }
    await expect(provisionRedis({}, { ...machine, env })).rejects.toThrow(/ECONNREFUSED/)
  })

  test('falls to the embedded one where nothing else is, and says why and how bad that is', async () => {
    const notices: string[] = []
    const docker = 'echo "Cannot connect to the Docker daemon" >&2; exit 1'
    const redis = stopAtEnd(
      await provisionRedis({ onNotice: (text) => notices.push(text) }, machineWith({ docker })),
    )
    expect(redis.source).toBe('embedded')
    expect(notices).toEqual([
      'no Redis from local server: neither redis-server nor valkey-server is on PATH',
      'no Redis from Docker: no Docker engine answers: Cannot connect to the Docker daemon',
      'no Redis from apt-get: installing was not asked for (--install)',
      expect.stringContaining('FOR DEMOS ONLY'),
    ])
  })

  test('names the option that is wrong', async () => {
    await expect(provisionRedis({ dataDir: '' }, machineWith())).rejects.toThrow(/at dataDir/)
  })
})

describeWithServer('provisionRedis with a server', () => {
  test('prefers REDIS_URL', async () => {
    const { url } = await startServer()
    const machine = machineWithServer()
    const env = { ...machine.env, REDIS_URL: url }
    expect(await provisionRedis({}, { ...machine, env })).toMatchObject({ url, source: 'url' })
  })

  test('takes an empty REDIS_URL for none, and starts the server on PATH', async () => {
    const machine = machineWithServer()
    const env = { ...machine.env, REDIS_URL: '' }
    const redis = stopAtEnd(await provisionRedis({ temporary: true }, { ...machine, env }))
    expect(redis.source).toBe('local')
    expect(redis.description).toContain('a temporary directory that is removed at the end')
  })
})
