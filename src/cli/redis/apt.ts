import { findExecutable, runCommand } from './executables.ts'
import { useLocalServer } from './local-server.ts'
import type { Machine } from './machine.ts'
import { type Notify, type Outcome, skipped } from './provisioned-redis.ts'

const UPDATE_TIMEOUT_MS = 120_000
const INSTALL_TIMEOUT_MS = 300_000

/** What the apt step needs. */
export interface AptOptions {
  /** The user's consent: nothing is installed without. */
  readonly install: boolean
  readonly dataDir: string | null
}

/**
 * Installs `redis-server` with apt-get, where the user allows it and is root, and starts it. Where an init system runs,
 * the package also starts a service of its own on port 6379, which is not used.
 */
export async function useApt(
  machine: Machine,
  options: AptOptions,
  notify: Notify,
): Promise<Outcome> {
  if (!options.install) return skipped('installing was not asked for (--install)')
  const aptGet = findExecutable(machine, 'apt-get')
  if (aptGet === null) return skipped('apt-get is not on PATH')
  if (!machine.isRoot) return skipped('apt-get needs root')
  notify("installing redis-server from the system's packages…")
  const problem = await install(machine, aptGet)
  if (problem !== null) return skipped(problem)
  return useLocalServer(machine, { dataDir: options.dataDir, source: 'apt' })
}

/** Why it could not be installed; null if it was. A fresh system has no package lists: only then they are fetched. */
async function install(machine: Machine, aptGet: string): Promise<string | null> {
  const env = { ...machine.env, DEBIAN_FRONTEND: 'noninteractive' }
  const run = (timeoutMs: number, ...args: readonly string[]) =>
    runCommand({ ...machine, env }, aptGet, args, timeoutMs)
  const packages = ['install', '-y', '--no-install-recommends', 'redis-server']
  const first = await run(INSTALL_TIMEOUT_MS, ...packages)
  if (first.status === 'ok') return null
  await run(UPDATE_TIMEOUT_MS, 'update')
  const second = await run(INSTALL_TIMEOUT_MS, ...packages)
  return second.status === 'ok' ? null : `apt-get install redis-server failed: ${second.reason}`
}
