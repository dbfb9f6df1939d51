import type { TestProject } from 'vitest/node'
import { openDataDirectory } from '../../src/cli/redis/data-directory.ts'
import { useEmbedded } from '../../src/cli/redis/embedded.ts'
import { findExecutable, runCommand } from '../../src/cli/redis/executables.ts'
import { thisMachine } from '../../src/cli/redis/machine.ts'
import { useRedisUrl } from '../../src/cli/redis/redis-url.ts'
import { startServerProcess } from '../../src/cli/redis/server-process.ts'
import { messageOf } from '../../src/core/errors.ts'

/** How the tests' Redis came about. The embedded one is an imitation: tests that need a real one are skipped on it. */
export type RedisKind = 'url' | 'local' | 'testcontainers' | 'embedded'

declare module 'vitest' {
  export interface ProvidedContext {
    redisUrl: string
    redisKind: RedisKind
  }
}

interface TestRedis {
  readonly kind: RedisKind
  readonly url: string
  readonly description: string
  stop(): Promise<unknown>
}

/** Fast, forgetful, with timers as exact as those of the servers that Reprise starts. */
const FLAGS = [
  '--appendonly',
  'no',
  '--save',
  '',
  '--hz',
  '100',
  '--maxmemory-policy',
  'noeviction',
]

/** For tests that make the server itself hang. */
const DEBUG_FLAGS = ['--enable-debug-command', 'yes']

const machine = thisMachine()

/** Vitest calls it once, before all test files: one Redis serves them all, each test in a namespace of its own. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const redis = await findRedis()
  console.log(`Redis for tests: ${redis.kind}: ${redis.description}`)
  project.provide('redisUrl', redis.url)
  project.provide('redisKind', redis.kind)
  return async () => {
    await redis.stop()
  }
}

async function findRedis(): Promise<TestRedis> {
  return (
    (await useNamedRedis()) ??
    (await startLocalServer()) ??
    (await startContainer()) ??
    (await startEmbedded())
  )
}

async function useNamedRedis(): Promise<TestRedis | null> {
  const url = machine.env.REDIS_URL
  return url === undefined || url === '' ? null : { ...(await useRedisUrl(url)), kind: 'url' }
}

async function startLocalServer(): Promise<TestRedis | null> {
  const binary = findExecutable(machine, 'redis-server', 'valkey-server')
  if (binary === null) return null
  const directory = await openDataDirectory(machine, null)
  const flags = [...FLAGS, ...((await hasDebugSwitch(binary)) ? DEBUG_FLAGS : [])]
  const server = await startServerProcess({ binary, flags, directory })
  const description = `${server.report.product} ${server.report.version} at ${server.url}`
  return { ...server, kind: 'local', description }
}

/** Redis 6 allows DEBUG anyway, and would stop at the flag. */
async function hasDebugSwitch(binary: string): Promise<boolean> {
  const result = await runCommand(machine, binary, ['--version'], 5_000)
  return result.status === 'ok' && !/v=[1-6]\./.test(result.output)
}

/** The `docker` client alone is no engine, and testcontainers is slow to find that out: so the engine is asked first. */
async function startContainer(): Promise<TestRedis | null> {
  const docker = findExecutable(machine, 'docker')
  if (docker === null) return null
  const engine = await runCommand(machine, docker, ['version', '-f', '{{.Server.Version}}'], 5_000)
  if (engine.status === 'failed') return null
  const { RedisContainer } = await import('@testcontainers/redis')
  try {
    const command = ['redis-server', ...FLAGS, ...DEBUG_FLAGS, '--protected-mode', 'no']
    const container = await new RedisContainer('redis:7-alpine').withCommand(command).start()
    const url = container.getConnectionUrl()
    return {
      kind: 'testcontainers',
      url,
      description: `redis:7-alpine at ${url}`,
      stop: () => container.stop(),
    }
  } catch (error) {
    console.warn(`no Redis from testcontainers: ${messageOf(error)}`)
    return null
  }
}

async function startEmbedded(): Promise<TestRedis> {
  const outcome = await useEmbedded(console.warn)
  if (outcome.status === 'skipped') throw new Error(`no Redis for tests: ${outcome.reason}`)
  console.warn(
    'Tests that need a real Redis are skipped. Install redis-server, or set REDIS_URL, to run them all.',
  )
  return { ...outcome.redis, kind: 'embedded' }
}
