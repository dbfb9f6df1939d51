import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, onTestFinished } from 'vitest'
import { openDataDirectory } from '../../../src/cli/redis/data-directory.ts'
import { findExecutable } from '../../../src/cli/redis/executables.ts'
import { type Machine, thisMachine } from '../../../src/cli/redis/machine.ts'
import type { ProvisionedRedis } from '../../../src/cli/redis/provisioned-redis.ts'
import { type ServerProcess, startServerProcess } from '../../../src/cli/redis/server-process.ts'

const binary = findExecutable(thisMachine(), 'redis-server', 'valkey-server')

/** Made at the first use: a file whose tests are all skipped would not remove it. */
let root: string | undefined

afterAll(() => {
  if (root !== undefined) rmSync(root, { recursive: true, force: true })
})

/** `describe` for tests that start servers of their own. */
export function describeWithServer(name: string, tests: () => void): void {
  if (binary === null) describe.skip(`${name} (skipped: needs a redis-server on PATH)`, tests)
  else describe(name, tests)
}

/** A Debian machine with nothing on it but the given programs: each a name and the `sh` script that it runs. */
export function machineWith(programs: Readonly<Record<string, string>> = {}): Machine {
  const folder = temporaryFolder()
  for (const [name, script] of Object.entries(programs)) {
    const path = join(folder, name)
    writeFileSync(path, `#!/bin/sh\n${script}\n`)
    chmodSync(path, 0o755)
  }
  return {
    env: { PATH: folder },
    cwd: folder,
    platform: 'linux',
    isRoot: false,
    osRelease: 'ID=debian\n',
  }
}

/** A machine whose `redis-server` is the real one. */
export function machineWithServer(): Machine {
  return machineWith({ 'redis-server': `exec ${binary} "$@"` })
}

/** An empty folder, absolute. */
export function temporaryFolder(): string {
  root ??= mkdtempSync(join(tmpdir(), 'reprise-test-'))
  return mkdtempSync(join(root, 'folder-'))
}

/** A real server with these settings, which ends with the test. */
export async function startServer(...flags: readonly string[]): Promise<ServerProcess> {
  const directory = await openDataDirectory(thisMachine(), null)
  const server = await startServerProcess({ binary: binary ?? '', flags, directory })
  onTestFinished(() => server.stop())
  return server
}

/** Has the Redis stopped at the end of the test, whatever the test does. */
export function stopAtEnd(redis: ProvisionedRedis): ProvisionedRedis {
  onTestFinished(() => redis.stop())
  return redis
}

/** True while a process with this id is there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Waits for what another process brings about. */
export async function until(claim: () => boolean): Promise<void> {
  while (!claim()) await sleep(20)
}
