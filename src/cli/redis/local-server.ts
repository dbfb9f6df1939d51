import { isVersionSupported } from '../../coordinator/server-requirements.ts'
import { messageOf, RepriseError } from '../../core/errors.ts'
import { openDataDirectory } from './data-directory.ts'
import { DURABLE } from './durability.ts'
import { findExecutable, runCommand } from './executables.ts'
import type { Machine } from './machine.ts'
import { type Outcome, type ProvisionedRedis, skipped } from './provisioned-redis.ts'
import { DURABLE_FLAGS } from './server-flags.ts'
import { type ServerProcess, startServerProcess } from './server-process.ts'

/** The servers that Reprise can run, the preferred one first. */
const SERVERS = ['redis-server', 'valkey-server'] as const

const VERSION_TIMEOUT_MS = 5_000

/** Which data to use: a folder's path, or null for a temporary one that goes with the server. */
export interface LocalServerOptions {
  readonly dataDir: string | null
  readonly source: 'local' | 'apt'
}

/**
 * Starts the `redis-server` or `valkey-server` that is on PATH.
 *
 * @throws RepriseError (`conflict`) when the data directory is another server's: going on would hide the user's data
 */
export async function useLocalServer(
  machine: Machine,
  options: LocalServerOptions,
): Promise<Outcome> {
  const binary = findExecutable(machine, ...SERVERS)
  if (binary === null) return skipped(`neither ${SERVERS.join(' nor ')} is on PATH`)
  const obstacle = await findVersionObstacle(machine, binary)
  if (obstacle !== null) return skipped(obstacle)
  try {
    const directory = await openDataDirectory(machine, options.dataDir)
    const server = await startServerProcess({ binary, flags: DURABLE_FLAGS, directory })
    return { status: 'ready', redis: present(server, directory.path, options) }
  } catch (error) {
    if (error instanceof RepriseError) throw error
    return skipped(messageOf(error))
  }
}

/** Asks the program, not the server: an old one would stop at a flag that it does not know. */
async function findVersionObstacle(machine: Machine, binary: string): Promise<string | null> {
  const result = await runCommand(machine, binary, ['--version'], VERSION_TIMEOUT_MS)
  if (result.status === 'failed') return `${binary} --version failed: ${result.reason}`
  const version = /\bv=(\d+\.\d+\.\d+)/.exec(result.output)?.[1]
  if (version === undefined || isVersionSupported(version)) return null
  return `${binary} is version ${version}, expected Redis 6.2 or newer`
}

function present(
  server: ServerProcess,
  path: string,
  { dataDir, source }: LocalServerOptions,
): ProvisionedRedis {
  const { product, version } = server.report
  const place = dataDir === null ? 'a temporary directory that is removed at the end' : path
  return {
    url: server.url,
    source,
    description: `${product} ${version} at ${server.url}, data in ${place} (${DURABLE})`,
    version,
    notices: [],
    stop: server.stop,
  }
}
