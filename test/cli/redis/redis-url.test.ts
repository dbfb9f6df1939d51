import { createServer } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { redactUrl, useRedisUrl } from '../../../src/cli/redis/redis-url.ts'
import { describeWithServer, startServer } from './fixtures.ts'

const NOTHING_LISTENS = 'redis://someone:s3cret@127.0.0.1:1/0'

describe('redactUrl', () => {
  const rows = [
    ['without credentials', 'redis://host:6379', 'redis://host:6379'],
    ['with a password', 'redis://:s3cret@host:6379/2', 'redis://host:6379/2'],
    ['with a user and a password', 'rediss://me:s3cret@host', 'rediss://me@host'],
    ['with a password in the query', 'redis://host/1?password=s3cret', 'redis://host/1'],
  ] as const

  test.each(rows)('shows a URL %s', (_name, url, shown) => {
    expect(redactUrl(url)).toBe(shown)
  })

  test.each(['s3cret', 'localhost:6379', 'http://:s3cret@host', 'redis://'])(
    'refuses %s without showing it',
    (url) => {
      expect(() => redactUrl(url)).toThrow(/^REDIS_URL: expected redis:\/\/\[user:password@\]host/)
      expect(() => redactUrl(url)).not.toThrow(/s3cret/)
    },
  )
})

describe('useRedisUrl', () => {
  test('says quickly that nothing listens, and hides the password', async () => {
    const startedAt = Date.now()
    const error = await useRedisUrl(NOTHING_LISTENS).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'redis' })
    expect(String(error)).toContain('REDIS_URL (redis://someone@127.0.0.1:1/0)')
    expect(String(error)).toContain('ECONNREFUSED')
    expect(JSON.stringify(error) + String(error)).not.toContain('s3cret')
    expect(Date.now() - startedAt).toBeLessThan(2_000)
  })

  test('gives up on a server that accepts and never answers', async () => {
    const port = await listen(() => '')
    await expect(useRedisUrl(`redis://127.0.0.1:${port}`)).rejects.toThrow(/timed out/)
  })

  test('refuses a server that is too old, and says which it found', async () => {
    const port = await listen((request) =>
      request.includes('info') ? bulk('redis_version:5.0.14\r\n') : '-ERR unknown command\r\n',
    )
    await expect(useRedisUrl(`redis://127.0.0.1:${port}`)).rejects.toThrow(
      'found Redis 5.0.14, expected Redis 6.2 or newer',
    )
  })
})

describeWithServer('useRedisUrl on a running server', () => {
  test('describes the server and leaves it running when stopped', async () => {
    const server = await startServer('--appendonly', 'yes')
    const redis = await useRedisUrl(server.url)
    expect(redis).toMatchObject({ url: server.url, source: 'url', notices: [] })
    expect(redis.description).toMatch(
      /^(Redis|Valkey) \d+\.\d+\.\d+ at redis:\/\/.*append-only file/,
    )
    await redis.stop()
    await expect(useRedisUrl(server.url)).resolves.toBeDefined()
  })

  test('warns when there is no append-only file', async () => {
    const server = await startServer('--appendonly', 'no')
    const { notices } = await useRedisUrl(server.url)
    expect(notices).toEqual([expect.stringContaining('no append-only file')])
  })

  test('refuses a server that evicts, with the command that fixes it', async () => {
    const server = await startServer('--maxmemory-policy', 'allkeys-lru')
    await expect(useRedisUrl(server.url)).rejects.toThrow(
      /found maxmemory-policy allkeys-lru.*redis-cli CONFIG SET maxmemory-policy noeviction/,
    )
  })

  test('reads the policy from INFO where CONFIG is forbidden', async () => {
    const withoutConfig = ['--rename-command', 'CONFIG', '']
    const good = await startServer('--appendonly', 'yes', ...withoutConfig)
    const evicting = await startServer('--maxmemory-policy', 'volatile-ttl', ...withoutConfig)
    expect((await useRedisUrl(good.url)).notices).toEqual([])
    await expect(useRedisUrl(evicting.url)).rejects.toThrow(/found maxmemory-policy volatile-ttl/)
  })

  test('connects with a user and a password and shows no password', async () => {
    const server = await startServer(...userWith('s3cret'))
    const redis = await useRedisUrl(server.url.replace('//', '//someone:s3cret@'))
    expect(redis.description).toContain('//someone@127.0.0.1')
    expect(redis.description).not.toContain('s3cret')
  })

  test('says that the password is wrong and does not show it', async () => {
    const server = await startServer(...userWith('other'))
    const url = server.url.replace('//', '//someone:s3cret@')
    const error = await useRedisUrl(url).catch((reason: unknown) => reason)
    expect(String(error)).toContain('WRONGPASS')
    expect(JSON.stringify(error) + String(error)).not.toContain('s3cret')
  })
})

/** The flags of a server that knows a user `someone`, who may do everything. */
function userWith(password: string): string[] {
  return ['--user', 'someone', 'on', `>${password}`, '~*', '&*', '+@all']
}

/** A server on loopback that answers each chunk it gets; '' is no answer. */
async function listen(answer: (request: string) => string): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (data) => socket.write(answer(data.toString().toLowerCase())))
  })
  onTestFinished(() => {
    server.close()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`
}
