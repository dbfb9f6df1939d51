import { describe, expect, test, vi } from 'vitest'
import { provisionRedis } from '../../../src/cli/redis/provision-redis.ts'
import { skipped } from '../../../src/cli/redis/provisioned-redis.ts'
import { machineWith } from './fixtures.ts'

// As in a production installation.
vi.mock('../../../src/cli/redis/embedded.ts', () => ({
  useEmbedded: async () => skipped('the package js-redis-server is not installed'),
}))

describe('provisionRedis', () => {
  test('without any way, gives the command to install one and what was tried', async () => {
    await expect(provisionRedis({}, machineWith())).rejects.toThrow(
      [
        'no Redis was found. Install one:',
        '  apt-get install redis-server',
        'or set REDIS_URL. What was tried:',
        '  - REDIS_URL: not set',
        '  - local server: neither redis-server nor valkey-server is on PATH',
        '  - Docker: docker is not on PATH',
        '  - apt-get: installing was not asked for (--install)',
        '  - embedded: the package js-redis-server is not installed',
      ].join('\n'),
    )
  })
})
