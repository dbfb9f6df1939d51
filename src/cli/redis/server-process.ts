import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readServerReport, type ServerReport } from '../../coordinator/server-report.ts'
import type { DataDirectory } from './data-directory.ts'
import { LOOPBACK_FLAGS } from './server-flags.ts'
import { startWatchdog } from './watchdog.ts'

/** A Redis or Valkey server that is our child. */
export interface ServerProcess {
  readonly url: string
  readonly pid: number
  readonly report: ServerReport
  /** Ends the server (SIGTERM, after a grace time SIGKILL) and releases its data directory. */
  stop(): Promise<void>
}

interface ServerCommand {
  /** The absolute path of `redis-server` or `valkey-server`. */
  readonly binary: string
  readonly flags: readonly string[]
  readonly directory: DataDirectory
}

/** How long a server may take to read its data back. */
const START_TIMEOUT_MS = 60_000
const POLL_INTERVAL_MS = 20
const STOP_GRACE_MS = 5_000
/** Between finding a free port and listening on it somebody else may take it. */
const PORT_TRIES = 3

/** Ends the server ($1), gives it ten seconds, and removes what its data directory wants removed ($2). */
const CLEAN_UP = `
kill -TERM "$1"
tries=0
while kill -0 "$1" && [ "$tries" -lt 100 ]; do tries=$((tries + 1)); sleep 0.1; done
kill -KILL "$1"
rm -rf -- "$2"
`

/**
 * Starts a server on a free loopback port and waits until it answers. It ends with this process, however that ends.
 *
 * @throws Error with the end of the server's log when it does not start
 */
export async function startServerProcess(command: ServerCommand): Promise<ServerProcess> {
  for (let attempt = 1; ; attempt++) {
    const port = await findFreePort()
    await command.directory.claim(port)
    const server = await launch(command, port)
    const problem = await waitUntilReady(server)
    if (typeof problem !== 'string') return { ...server, report: problem }
    const log = await readFile(server.log, 'utf8')
    await server.stop()
    if (!log.includes('Address already in use') || attempt === PORT_TRIES) {
      throw new Error(`${command.binary} ${problem}${quoteEnd(log)}`)
    }
  }
}

type LaunchedServer = Omit<ServerProcess, 'report'> & {
  readonly log: string
  readonly hasEnded: () => boolean
}

async function launch(command: ServerCommand, port: number): Promise<LaunchedServer> {
  const log = join(command.directory.path, 'server.log')
  const child = await spawnServer(command, port, log)
  const pid = child.pid ?? Number.NaN
  const watchdog = startWatchdog(CLEAN_UP, [String(pid), command.directory.removeOnRelease])
  const stop = async () => {
    await endChild(child)
    await watchdog.dismiss()
    await command.directory.release()
  }
  let stopped: Promise<void> | undefined
  return {
    url: `redis://127.0.0.1:${port}`,
    pid,
    log,
    hasEnded: () => hasEnded(child),
    stop: () => {
      stopped ??= stop()
      return stopped
    },
  }
}

async function spawnServer(
  { binary, flags, directory }: ServerCommand,
  port: number,
  log: string,
): Promise<ChildProcess> {
  const output = await open(log, 'w')
  const args = ['--port', String(port), '--dir', directory.path, ...LOOPBACK_FLAGS, ...flags]
  const child = spawn(binary, args, {
    // In a session of its own: Ctrl-C in a terminal must reach the workers, not the Redis that they need to finish.
    detached: true,
    stdio: ['ignore', output.fd, output.fd],
  })
  child.unref()
  try {
    await once(child, 'spawn')
    return child
  } catch (error) {
    await directory.release()
    throw error
  } finally {
    await output.close()
  }
}

/** What the server reports of itself, or why there is nothing to wait for. */
async function waitUntilReady(server: LaunchedServer): Promise<ServerReport | string> {
  const deadline = Date.now() + START_TIMEOUT_MS
  while (Date.now() < deadline) {
    if (server.hasEnded()) return 'ended at once'
    const report = await readServerReport(server.url).catch(() => null)
    // The process id shows that it is ours that answers, and not a stranger who took the port.
    if (report?.processId === server.pid && !report.isLoading) return report
    await sleep(POLL_INTERVAL_MS)
  }
  return `did not answer within ${START_TIMEOUT_MS / 1_000} s`
}

async function endChild(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return
  const exited = once(child, 'exit')
  child.ref()
  child.kill('SIGTERM')
  const force = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS)
  await exited
  clearTimeout(force)
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') {
    throw new Error(`expected a TCP port to listen on, got ${address}`)
  }
  return address.port
}

function quoteEnd(log: string): string {
  const lines = log.split('\n').map((line) => line.trim())
  const telling = lines.filter((line) => line !== '' && !line.includes('WARNING')).slice(-3)
  return telling.length === 0 ? '' : `: ${telling.join(' / ')}`
}
