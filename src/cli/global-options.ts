import { type Command, InvalidArgumentError, Option } from 'commander'
import { DEFAULT_NAMESPACE } from '../core/ids.ts'

const DEFAULT_REDIS_URL = 'redis://127.0.0.1:6379'

/** What every command knows: where Redis is, and the prefix in it. */
export interface GlobalOptions {
  readonly redis: string
  /** The Redis that the user named, by `--redis` or `REDIS_URL`; null if he named none. */
  readonly givenRedis: string | null
  readonly namespace: string
  /** Null if the user named none. */
  readonly givenNamespace: string | null
}

/** Declares the options that may stand before or after a command's name. */
export function addGlobalOptions(program: Command): void {
  program
    .addOption(
      new Option(
        '--redis <url>',
        `where Redis is (default: REDIS_URL, else ${DEFAULT_REDIS_URL})`,
      ).argParser(parseRedisUrl),
    )
    .addOption(
      new Option(
        '--namespace <name>',
        `prefix of all keys in Redis (default: ${DEFAULT_NAMESPACE})`,
      ).argParser(parseNamespace),
    )
}

/** Reads the global options from any command of the program. */
export function readGlobalOptions(command: Command): GlobalOptions {
  const { redis, namespace } = command.optsWithGlobals<{ redis?: string; namespace?: string }>()
  const givenRedis = redis ?? redisFromEnvironment()
  return {
    redis: givenRedis ?? DEFAULT_REDIS_URL,
    givenRedis,
    namespace: namespace ?? DEFAULT_NAMESPACE,
    givenNamespace: namespace ?? null,
  }
}

function redisFromEnvironment(): string | null {
  const url = process.env.REDIS_URL
  if (url === undefined || url === '') return null
  if (!isRedisUrl(url)) throw new Error(`REDIS_URL: ${EXPECTED_URL}`)
  return url
}

// The text itself is not shown: nobody knows which part of it is a password.
const EXPECTED_URL =
  'expected redis://[user:password@]host[:port][/database], or rediss:// for TLS, got something else'

function parseRedisUrl(url: string): string {
  if (!isRedisUrl(url)) throw new InvalidArgumentError(EXPECTED_URL)
  return url
}

function isRedisUrl(url: string): boolean {
  const parsed = URL.canParse(url) ? new URL(url) : null
  return parsed !== null && ['redis:', 'rediss:'].includes(parsed.protocol) && parsed.host !== ''
}

function parseNamespace(name: string): string {
  if (/^[A-Za-z0-9._-]{1,50}$/.test(name)) return name
  throw new InvalidArgumentError('expected 1 to 50 letters, digits, `.`, `_`, `-`')
}
