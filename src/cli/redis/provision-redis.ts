import { z } from 'zod'
import { RepriseError } from '../../core/errors.ts'
import { useApt } from './apt.ts'
import { useDocker } from './docker.ts'
import { useEmbedded } from './embedded.ts'
import { installHint } from './install-hint.ts'
import { useLocalServer } from './local-server.ts'
import { type Machine, thisMachine } from './machine.ts'
import type { Notify, Outcome, ProvisionedRedis } from './provisioned-redis.ts'
import { useRedisUrl } from './redis-url.ts'

const provisionOptions = z.strictObject({
  /** Where a server that is started keeps its data: absolute, or below the working directory. */
  dataDir: z.string().min(1).default('.reprise/redis'),
  /** Keeps the data in a temporary directory instead, and removes it on stop. */
  temporary: z.boolean().default(false),
  /** Allows `apt-get install redis-server`, which also needs root. */
  install: z.boolean().default(false),
  /** Takes each line of progress and each warning as it comes. */
  onNotice: z.custom<Notify>((value) => typeof value === 'function').default(() => () => {}),
})

/** What `provisionRedis` takes. Everything has a default. */
export type ProvisionOptions = z.input<typeof provisionOptions>

type Settings = z.output<typeof provisionOptions>

/** One way of getting a Redis. */
interface Way {
  readonly name: string
  take(machine: Machine, settings: Settings): Promise<Outcome>
}

/** In order of preference. */
const WAYS: readonly Way[] = [
  {
    name: 'local server',
    take: (machine, settings) =>
      useLocalServer(machine, { dataDir: placeOf(settings), source: 'local' }),
  },
  { name: 'Docker', take: (machine, settings) => useDocker(machine, settings.onNotice) },
  {
    name: 'apt-get',
    take: (machine, settings) =>
      useApt(machine, { install: settings.install, dataDir: placeOf(settings) }, settings.onNotice),
  },
  { name: 'embedded', take: (_machine, settings) => useEmbedded(settings.onNotice) },
]

/**
 * Finds a Redis or starts one: `REDIS_URL` if it is set (then there is no other), else a server on PATH, else Docker,
 * else (with `install`, as root) a package, else the embedded imitation for demos. What was started ends with
 * `stop()`, or with this process, however that ends.
 *
 * @throws RepriseError (`redis`) when `REDIS_URL` can't be used, or when there is no way: with each way's reason and
 * the command that installs a server; (`conflict`) when the data directory belongs to a running server; (`options`)
 * @example
 * const redis = await provisionRedis({ install: true, onNotice: console.error })
 * const worker = new Worker({ redis: redis.url, flows })
 * await redis.stop()
 */
export async function provisionRedis(
  options: ProvisionOptions = {},
  machine: Machine = thisMachine(),
): Promise<ProvisionedRedis> {
  const settings = parseOptions(options)
  const url = machine.env.REDIS_URL
  if (url !== undefined && url !== '') return useRedisUrl(url)
  const reasons: string[] = []
  for (const way of WAYS) {
    const outcome = await way.take(machine, settings)
    if (outcome.status === 'ready') return outcome.redis
    reasons.push(`${way.name}: ${outcome.reason}`)
    settings.onNotice(`no Redis from ${way.name}: ${outcome.reason}`)
  }
  throw noRedis(machine, ['REDIS_URL: not set', ...reasons])
}

function parseOptions(options: ProvisionOptions): Settings {
  const parsed = provisionOptions.safeParse(options)
  if (parsed.success) return parsed.data
  throw new RepriseError('options', `provisionRedis: ${z.prettifyError(parsed.error)}`)
}

function placeOf(settings: Settings): string | null {
  return settings.temporary ? null : settings.dataDir
}

function noRedis(machine: Machine, reasons: readonly string[]): RepriseError {
  const tried = reasons.map((reason) => `  - ${reason}`).join('\n')
  return new RepriseError(
    'redis',
    `no Redis was found. Install one:\n  ${installHint(machine)}\nor set REDIS_URL. What was tried:\n${tried}`,
  )
}
