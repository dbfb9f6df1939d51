import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readServerReport } from '../../coordinator/server-report.ts'
import { RepriseError } from '../../core/errors.ts'
import type { Machine } from './machine.ts'

/** A folder for one server's data. Two servers that append to the same file would destroy it. */
export interface DataDirectory {
  /** Absolute, without symbolic links. */
  readonly path: string
  /** What `release()` removes: the whole folder if it is temporary, else only the mark that it is in use. */
  readonly removeOnRelease: string
  /**
   * Marks the folder as used by the server that is about to listen on this port.
   *
   * @throws RepriseError (`conflict`) when another server uses it
   */
  claim(port: number): Promise<void>
  release(): Promise<void>
}

/** How often a server that has marked a folder is asked, and how long it has in between to come up. */
const PROBES = 10
const PROBE_INTERVAL_MS = 100

/**
 * Makes the folder if it is not there.
 *
 * @param dataDir absolute, or relative to the working directory; null for a temporary folder
 */
export async function openDataDirectory(
  machine: Machine,
  dataDir: string | null,
): Promise<DataDirectory> {
  const path = await realpath(await makeFolder(machine, dataDir))
  const mark = join(path, 'in-use-by-port')
  const removeOnRelease = dataDir === null ? path : mark
  return {
    path,
    removeOnRelease,
    claim: (port) => claim(path, mark, port),
    release: () => rm(removeOnRelease, { recursive: true, force: true }),
  }
}

async function makeFolder(machine: Machine, dataDir: string | null): Promise<string> {
  if (dataDir === null) return mkdtemp(join(tmpdir(), 'reprise-redis-'))
  const path = resolve(machine.cwd, dataDir)
  await mkdir(path, { recursive: true })
  return path
}

async function claim(path: string, mark: string, port: number): Promise<void> {
  // A temporary folder is gone after a release, and a second claim is a second start.
  await mkdir(path, { recursive: true })
  if (await tryCreate(mark, port)) return
  const otherPort = Number(await readFile(mark, 'utf8'))
  if (await isServed(path, otherPort)) throw inUse(path, otherPort)
  // The server that left the mark died with the machine.
  await rm(mark, { force: true })
  if (!(await tryCreate(mark, port))) throw inUse(path, otherPort)
}

async function tryCreate(mark: string, port: number): Promise<boolean> {
  try {
    await writeFile(mark, String(port), { flag: 'wx' })
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

/** Asks several times: two that start at once must not both take the other's fresh mark for an old one. */
async function isServed(path: string, port: number): Promise<boolean> {
  for (let probe = 0; probe < PROBES; probe++) {
    const report = await readServerReport(`redis://127.0.0.1:${port}`).catch(() => null)
    if (report !== null) return report.directory === path
    await sleep(PROBE_INTERVAL_MS)
  }
  return false
}

function inUse(path: string, port: number): RepriseError {
  return new RepriseError(
    'conflict',
    `the data directory ${path} is in use by the Redis on port ${port}. ` +
      `Share that one with REDIS_URL=redis://127.0.0.1:${port}, or give another data directory.`,
  )
}
