import { Redis } from 'ioredis'
import { messageOf } from '../core/errors.ts'

/** What a running server says about itself. */
export interface ServerReport {
  readonly product: 'Redis' | 'Valkey'
  /** The product's own version, such as `8.1.1`. */
  readonly version: string
  /** The Redis version whose commands it speaks: the same, except in Valkey. */
  readonly redisVersion: string
  /** Null where neither CONFIG nor INFO tells it. */
  readonly evictionPolicy: string | null
  readonly isAppendOnly: boolean
  /** True while it reads its data from disk and refuses commands. */
  readonly isLoading: boolean
  readonly processId: number
  /** The absolute path of its data; null where CONFIG is forbidden. */
  readonly directory: string | null
}

/** How long connecting, and each command, may take. */
const TIMEOUT_MS = 3_000

/**
 * Connects once, without retries, and asks the server what it is.
 *
 * @throws Error with the first thing that went wrong. It holds no URL and no command, hence no password.
 */
export async function readServerReport(url: string): Promise<ServerReport> {
  const client = new Redis(url, {
    lazyConnect: true,
    // The old protocol: a server that is too old shall say its version, not fail at HELLO.
    protocol: 2,
    connectTimeout: TIMEOUT_MS,
    commandTimeout: TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    enableReadyCheck: false,
    disableClientInfo: true,
  })
  const errors: unknown[] = []
  client.on('error', (error) => errors.push(error))
  try {
    await client.connect()
    return await askServer(client)
  } catch (error) {
    // ioredis puts the command with its arguments into errors: an AUTH's would be the password. Only the text goes on.
    throw new Error(messageOf(errors[0] ?? error))
  } finally {
    client.disconnect()
  }
}

/** Asks a server what it is. */
export async function askServer(client: Redis): Promise<ServerReport> {
  const info = parseInfo(await client.info())
  const redisVersion = info.get('redis_version') ?? 'unknown'
  const valkeyVersion = info.get('valkey_version')
  return {
    product: valkeyVersion === undefined ? 'Redis' : 'Valkey',
    version: valkeyVersion ?? redisVersion,
    redisVersion,
    evictionPolicy:
      (await readSetting(client, 'maxmemory-policy')) ?? info.get('maxmemory_policy') ?? null,
    isAppendOnly: info.get('aof_enabled') === '1',
    isLoading: info.get('loading') === '1',
    processId: Number(info.get('process_id')),
    directory: await readSetting(client, 'dir'),
  }
}

/** Managed Redis services forbid CONFIG: then nothing is known, which is no error. */
async function readSetting(client: Redis, name: string): Promise<string | null> {
  try {
    const [, value] = (await client.config('GET', name)) as string[]
    return value ?? null
  } catch {
    return null
  }
}

function parseInfo(text: string): ReadonlyMap<string, string> {
  const pairs = text.matchAll(/^(\w+):(.*?)\r?$/gm)
  return new Map(Array.from(pairs, ([, key = '', value = '']) => [key, value]))
}
