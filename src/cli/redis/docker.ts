import { setTimeout as sleep } from 'node:timers/promises'
import { readServerReport, type ServerReport } from '../../coordinator/server-report.ts'
import { messageOf } from '../../core/errors.ts'
import { type CommandResult, findExecutable, runCommand } from './executables.ts'
import type { Machine } from './machine.ts'
import { type Notify, type Outcome, type ProvisionedRedis, skipped } from './provisioned-redis.ts'
import { DURABLE_FLAGS } from './server-flags.ts'
import { startWatchdog } from './watchdog.ts'

const IMAGE = 'redis:7-alpine'

const ANSWER_TIMEOUT_MS = 5_000
const COMMAND_TIMEOUT_MS = 30_000
const PULL_TIMEOUT_MS = 180_000
const READY_TIMEOUT_MS = 15_000
const POLL_INTERVAL_MS = 50

/** Runs one `docker` command. */
type Docker = (timeoutMs: number, ...args: readonly string[]) => Promise<CommandResult>

/** Runs Redis in a container, where an engine answers (the mere client on PATH is none) and has or gets the image. */
export async function useDocker(machine: Machine, notify: Notify): Promise<Outcome> {
  const file = findExecutable(machine, 'docker')
  if (file === null) return skipped('docker is not on PATH')
  const docker: Docker = (timeoutMs, ...args) => runCommand(machine, file, args, timeoutMs)
  const engine = await docker(ANSWER_TIMEOUT_MS, 'version', '--format', '{{.Server.Version}}')
  if (engine.status === 'failed') return skipped(`no Docker engine answers: ${engine.reason}`)
  const image = await ensureImage(docker, notify)
  if (image.status === 'failed') return skipped(`${IMAGE} can't be pulled: ${image.reason}`)
  const container = await runContainer(docker)
  if (container.status === 'failed') return skipped(`docker run failed: ${container.reason}`)
  return openContainer(docker, file, container.output)
}

async function ensureImage(docker: Docker, notify: Notify): Promise<CommandResult> {
  const present = await docker(ANSWER_TIMEOUT_MS, 'image', 'inspect', '--format', '{{.Id}}', IMAGE)
  if (present.status === 'ok') return present
  notify(`pulling the image ${IMAGE}…`)
  return docker(PULL_TIMEOUT_MS, 'pull', '--quiet', IMAGE)
}

/** Protected mode would refuse the host, which is a stranger inside the container; the port is on loopback only. */
function runContainer(docker: Docker): Promise<CommandResult> {
  const flags = ['redis-server', ...DURABLE_FLAGS, '--protected-mode', 'no']
  return docker(COMMAND_TIMEOUT_MS, 'run', '--rm', '-d', '-p', '127.0.0.1:0:6379', IMAGE, ...flags)
}

async function openContainer(docker: Docker, file: string, id: string): Promise<Outcome> {
  const watchdog = startWatchdog('"$1" stop "$2"', [file, id])
  let stopped: Promise<void> | undefined
  const stop = async () => {
    await docker(COMMAND_TIMEOUT_MS, 'stop', id)
    await watchdog.dismiss()
  }
  const stopOnce = () => {
    stopped ??= stop()
    return stopped
  }
  try {
    const url = await readAddress(docker, id)
    return { status: 'ready', redis: present(url, await waitUntilReady(url), id, stopOnce) }
  } catch (error) {
    await stopOnce()
    return skipped(messageOf(error))
  }
}

async function readAddress(docker: Docker, id: string): Promise<string> {
  const result = await docker(ANSWER_TIMEOUT_MS, 'port', id, '6379/tcp')
  if (result.status === 'failed') throw new Error(`docker port failed: ${result.reason}`)
  const [address = ''] = result.output.split('\n')
  return `redis://${address}`
}

async function waitUntilReady(url: string): Promise<ServerReport> {
  const deadline = Date.now() + READY_TIMEOUT_MS
  for (;;) {
    try {
      return await readServerReport(url)
    } catch (error) {
      if (Date.now() > deadline) {
        throw new Error(`the container's Redis does not answer at ${url}: ${messageOf(error)}`)
      }
      await sleep(POLL_INTERVAL_MS)
    }
  }
}

function present(
  url: string,
  { product, version }: ServerReport,
  id: string,
  stop: () => Promise<void>,
): ProvisionedRedis {
  const where = `in Docker container ${id.slice(0, 12)} (${IMAGE})`
  return {
    url,
    source: 'docker',
    description: `${product} ${version} at ${url} ${where}, data removed with the container at the end`,
    version,
    notices: [],
    stop,
  }
}
