import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { describe, expect, test } from 'vitest'
import { useLocalServer } from '../../../src/cli/redis/local-server.ts'
import type { Machine } from '../../../src/cli/redis/machine.ts'
import type { ProvisionedRedis } from '../../../src/cli/redis/provisioned-redis.ts'
import { readServerReport } from '../../../src/coordinator/server-report.ts'
import {
  describeWithServer,
  isAlive,
  machineWith,
  machineWithServer,
  stopAtEnd,
  temporaryFolder,
} from './fixtures.ts'

async function start(machine: Machine, dataDir: string | null): Promise<ProvisionedRedis> {
  const outcome = await useLocalServer(machine, { dataDir, source: 'local' })
  if (outcome.status === 'skipped') throw new Error(outcome.reason)
  return stopAtEnd(outcome.redis)
}

async function withClient<T>(url: string, use: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url)
  try {
    return await use(client)
  } finally {
    client.disconnect()
  }
}

describe('useLocalServer', () => {
  const rows = [
    ['there is none', {}, /neither redis-server nor valkey-server is on PATH/],
    [
      'it is too old',
      { 'redis-server': 'echo "Redis server v=5.0.14 sha=0"' },
      /redis-server is version 5\.0\.14, expected Redis 6\.2 or newer/,
    ],
    [
      'it can not even tell its version',
      { 'redis-server': 'echo "libssl.so.3: not found" >&2; exit 127' },
      /redis-server --version failed: libssl\.so\.3: not found/,
    ],
    [
      'it ends at once, with the end of its log',
      { 'redis-server': '[ "$1" = --version ] && echo v=7.0.0 && exit; echo "no memory"; exit 1' },
      /redis-server ended at once: no memory/,
    ],
  ] as const

  test.each(rows)('is skipped when %s', async (_name, programs, reason) => {
    const outcome = await useLocalServer(machineWith(programs), { dataDir: null, source: 'local' })
    expect(outcome).toEqual({ status: 'skipped', reason: expect.stringMatching(reason) })
  })
})

describeWithServer('useLocalServer with a server', () => {
  test('starts it durable, punctual, without eviction, below the working directory', async () => {
    const machine = machineWithServer()
    const redis = await start(machine, '.reprise/redis')
    const settings = await withClient(redis.url, (client) =>
      client.config('GET', 'appendonly', 'appendfsync', 'hz', 'maxmemory-policy', 'save', 'bind'),
    )
    const pairs = Object.entries({
      appendonly: 'yes',
      appendfsync: 'everysec',
      hz: '100',
      'maxmemory-policy': 'noeviction',
      save: '',
      bind: '127.0.0.1',
    })
    expect(settings).toEqual(expect.arrayContaining(pairs.flat()))
    expect(existsSync(join(machine.cwd, '.reprise/redis/appendonlydir'))).toBe(true)
    expect(redis.description).toContain(join(machine.cwd, '.reprise/redis'))
  })

  test('leaves no process behind after stop', async () => {
    const redis = await start(machineWithServer(), null)
    const { processId } = await readServerReport(redis.url)
    expect(isAlive(processId)).toBe(true)
    await Promise.all([redis.stop(), redis.stop()])
    expect(isAlive(processId)).toBe(false)
  })

  test('kills a server that does not end by itself', async () => {
    const redis = await start(machineWithServer(), null)
    const { processId } = await readServerReport(redis.url)
    process.kill(processId, 'SIGSTOP')
    await redis.stop()
    expect(isAlive(processId)).toBe(false)
  })

  test('gives two at once different ports', async () => {
    const machine = machineWithServer()
    const [first, second] = await Promise.all([start(machine, 'first'), start(machine, 'second')])
    expect(first.url).not.toBe(second.url)
  })

  test('tries another port when its own was taken in between', async () => {
    const { cwd } = machineWithServer()
    const script = `
      cd "$(dirname "$0")"
      [ "$1" = --version ] && echo v=7.0.0 && exit
      echo "$2" >> ports
      [ "$(wc -l < ports)" = 1 ] && echo "bind: Address already in use" && exit 1
      exec ${cwd}/redis-server "$@"`
    const machine = machineWith({ 'redis-server': script })
    const redis = await start(machine, null)
    const [taken, used] = readFileSync(join(machine.cwd, 'ports'), 'utf8').split('\n')
    expect(redis.url).toContain(`:${used}`)
    expect(used).not.toBe(taken)
  })

  test('keeps the data for the next server in the same directory', async () => {
    const machine = machineWithServer()
    const before = await start(machine, 'data')
    await withClient(before.url, (client) => client.set('kept', 'yes'))
    await before.stop()
    const after = await start(machine, 'data')
    expect(await withClient(after.url, (client) => client.get('kept'))).toBe('yes')
  })

  test('refuses a data directory that a running server uses, and names that server', async () => {
    const machine = machineWithServer()
    const redis = await start(machine, 'data')
    await expect(start(machine, 'data')).rejects.toThrow(`REDIS_URL=${redis.url}`)
    await expect(start(machine, 'data')).rejects.toMatchObject({ code: 'conflict' })
  })

  test('lets only one of two that start at once have the data directory', async () => {
    const machine = machineWithServer()
    const results = await Promise.allSettled([start(machine, 'data'), start(machine, 'data')])
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  test('takes over the mark of a server that is gone', async () => {
    const machine = machineWithServer()
    mkdirSync(join(machine.cwd, 'data'))
    writeFileSync(join(machine.cwd, 'data', 'in-use-by-port'), '1')
    await expect(start(machine, 'data')).resolves.toBeDefined()
  })

  test('is skipped when the data can not be read back', async () => {
    const machine = machineWithServer()
    const folder = temporaryFolder()
    mkdirSync(join(folder, 'appendonlydir'))
    writeFileSync(join(folder, 'appendonlydir', 'appendonly.aof.manifest'), 'nonsense\n')
    await expect(start(machine, folder)).rejects.toThrow(/ended at once/)
    expect(existsSync(join(folder, 'in-use-by-port'))).toBe(false)
  })

  test('removes a temporary data directory with the server', async () => {
    const redis = await start(machineWithServer(), null)
    const { directory } = await readServerReport(redis.url)
    expect(directory !== null && existsSync(directory)).toBe(true)
    await redis.stop()
    expect(directory !== null && existsSync(directory)).toBe(false)
  })
})
