import { Redis, type RedisOptions } from 'ioredis'
import { RepriseError } from '../core/errors.ts'

/** Where Redis is: a URL such as `redis://localhost:6379`, or ioredis options. */
export type RedisLocation = string | ConnectionOptions

type ConnectionOptions = Omit<RedisOptions, 'replyMapping'>

/** A connection to Redis, as ioredis has it. */
export type RedisConnection = Redis

/**
 * `patient` connections (workers) wait for Redis to come back, and notice a half-open connection by a socket timeout;
 * `impatient` ones (producers) fail fast, so that a service can answer its caller.
 */
export type Patience = 'patient' | 'impatient'

const SOCKET_TIMEOUT_MS = 15_000
const CONNECT_TIMEOUT_MS = 5_000
const COMMAND_TIMEOUT_MS = 10_000

/** Opens a connection. Whoever opens it closes it. */
export function connectRedis(location: RedisLocation, patience: Patience): RedisConnection {
  const options: ConnectionOptions =
    patience === 'patient'
      ? { maxRetriesPerRequest: null, socketTimeout: SOCKET_TIMEOUT_MS }
      : {
          maxRetriesPerRequest: 1,
          connectTimeout: CONNECT_TIMEOUT_MS,
          commandTimeout: COMMAND_TIMEOUT_MS,
        }
  const connection =
    typeof location === 'string'
      ? new Redis(location, options)
      : new Redis({ ...location, ...options })
  // Every BullMQ queue that shares it listens for its errors, and raises the limit by what it needs: 0 would not stay "none".
  connection.setMaxListeners(Number.POSITIVE_INFINITY)
  return connection
}

/** The location for people and logs: host, port and database, never a password. */
export function describeRedis(location: RedisLocation): string {
  if (typeof location !== 'string') {
    return location.path ?? `${location.host ?? '127.0.0.1'}:${location.port ?? 6379}`
  }
  try {
    const url = new URL(location)
    return `${url.hostname}:${url.port || 6379}${url.pathname.length > 1 ? url.pathname : ''}`
  } catch {
    return 'a URL that could not be read'
  }
}

/**
 * Waits until the connection answers.
 *
 * @throws RepriseError (`redis`) when it does not within 5 seconds, naming the place and the last problem
 */
export async function waitForRedis(
  connection: RedisConnection,
  location: RedisLocation,
): Promise<void> {
  let lastProblem = 'no answer'
  const remember = (error: Error) => {
    lastProblem = error.message
  }
  connection.on('error', remember)
  const waiting = { isOver: false }
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        new RepriseError(
          'redis',
          `Redis at ${describeRedis(location)} can't be reached: ${lastProblem}. Is it running? \`reprise up\` finds or starts one.`,
        ),
      )
    }, CONNECT_TIMEOUT_MS)
  })
  try {
    await Promise.race([pingUntilReady(connection, waiting), deadline])
  } finally {
    waiting.isOver = true
    clearTimeout(timer)
    connection.off('error', remember)
  }
}

async function pingUntilReady(
  connection: RedisConnection,
  waiting: { readonly isOver: boolean },
): Promise<void> {
  while (connection.status !== 'end' && !waiting.isOver) {
    try {
      await connection.ping()
      return
    } catch (error) {
      if (waiting.isOver) return
      connection.emit('error', error)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}
