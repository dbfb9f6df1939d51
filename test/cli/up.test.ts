import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { describeWithRedis, redisUrl } from '../setup/namespace.ts'
import { isListening, runCli, startCli } from './fixtures.ts'
import { describeWithServer, temporaryFolder } from './redis/fixtures.ts'

// Programs are slow to start on a busy machine.
vi.setConfig({ testTimeout: 90_000 })

describeWithServer('reprise up', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)(
    'starts a Redis, prints its URL, and stops it on %s',
    async (signal) => {
      const folder = join(temporaryFolder(), 'data')
      const up = startCli(['up', '--data-dir', folder])
      const [, port] = await up.outputMatching(/^redis:\/\/127\.0\.0\.1:(\d+)$/m)
      await up.outputMatching(/Ctrl-C stops it/)
      expect(await isListening(Number(port))).toBe(true)
      up.process.kill(signal)
      const { code, stdout } = await up.ended()
      expect({ code, stdout }).toEqual({ code: 0, stdout: `redis://127.0.0.1:${port}\n` })
      expect(await isListening(Number(port))).toBe(false)
      expect(existsSync(folder)).toBe(true)
    },
  )
})

describeWithRedis('reprise up with a Redis', () => {
  test('checks and reports the Redis that it was given', async () => {
    const url = redisUrl()
    for (const ended of [
      await runCli(['up'], { REDIS_URL: url }),
      await runCli(['up', '--redis', url], { REDIS_URL: 'redis://127.0.0.1:1' }),
    ]) {
      expect(ended).toMatchObject({ code: 0, stdout: `${url}\n` })
      expect(ended.stderr).toContain('from REDIS_URL')
    }
  })
})
