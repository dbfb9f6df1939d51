import { readServerReport } from '../../coordinator/server-report.ts'
import { messageOf } from '../../core/errors.ts'
import { type Notify, type Outcome, type ProvisionedRedis, skipped } from './provisioned-redis.ts'

/** The part of `js-redis-server` that is used. */
interface EmbeddedServer {
  readonly url: string
  close(): Promise<void>
}

type StartEmbedded = () => Promise<EmbeddedServer>

const WARNING =
  'EMBEDDED REDIS, FOR DEMOS ONLY: an imitation of Redis in JavaScript. It keeps everything in memory (all is lost ' +
  'when this process ends), runs about 100 jobs a second, and proves nothing about Reprise. ' +
  'NOT FOR PRODUCTION: install redis-server, or set REDIS_URL.'

/**
 * Runs the imitation of Redis in this process: the last resort. It is a development dependency, so an installed
 * package does not have it.
 */
export async function useEmbedded(
  notify: Notify,
  start: StartEmbedded = startEmbedded,
): Promise<Outcome> {
  try {
    const server = await start()
    const { version } = await readServerReport(server.url)
    notify(WARNING)
    return { status: 'ready', redis: present(server, version) }
  } catch (error) {
    if (isModuleMissing(error)) return skipped('the package js-redis-server is not installed')
    return skipped(`the embedded Redis did not start: ${messageOf(error)}`)
  }
}

async function startEmbedded(): Promise<EmbeddedServer> {
  const { createRedisMock } = await import('js-redis-server')
  return createRedisMock({ compatibility: 'redis-7.2' })
}

function isModuleMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND'
}

function present(server: EmbeddedServer, version: string): ProvisionedRedis {
  let closed: Promise<void> | undefined
  return {
    url: server.url,
    source: 'embedded',
    description: `embedded imitation of Redis ${version} at ${server.url}, in memory only, for demos only`,
    version,
    notices: [WARNING],
    stop: () => {
      closed ??= server.close()
      return closed
    },
  }
}
