import { execFileSync } from 'node:child_process'
import type { Redis } from 'ioredis'
import { z } from 'zod'

/** Script calls of one namespace that took longer than a limit. */
export interface SlowScripts {
  /** How many there were, and how long the slowest took, in ms. */
  read(): Promise<{ readonly count: number; readonly slowestMs: number }>
  /** Puts everything back. */
  stop(): Promise<void>
}

const entries = z.array(
  z.tuple([z.number(), z.number(), z.number(), z.array(z.string())]).rest(z.unknown()),
)

/**
 * Watches Redis' SLOWLOG. A busy machine makes every script slow now and then, because the server has to wait for a
 * processor: where that is allowed, it gets real-time priority meanwhile.
 */
export async function watchScripts(
  redis: Redis,
  prefix: string,
  limitMs: number,
): Promise<SlowScripts> {
  const pid = /process_id:(\d+)/.exec(await redis.info('server'))?.[1] ?? ''
  const [, before = ''] = z
    .array(z.string())
    .parse(await redis.config('GET', 'slowlog-log-slower-than'))
  await redis.config('SET', 'slowlog-log-slower-than', String(limitMs * 1_000))
  await redis.config('SET', 'slowlog-max-len', '10000')
  schedule(['-f', '-p', '1', pid])
  return {
    read: async () => {
      const log = entries.parse(await redis.slowlog('GET', 10_000))
      const times = log.flatMap(([, , micros, args]) =>
        args[0] === 'fcall' && args.some((arg) => arg.startsWith(prefix)) ? [micros / 1_000] : [],
      )
      return { count: times.length, slowestMs: Math.max(0, ...times) }
    },
    stop: async () => {
      schedule(['-o', '-p', '0', pid])
      await redis.config('SET', 'slowlog-log-slower-than', before)
    },
  }
}

function schedule(flags: readonly string[]): void {
  try {
    execFileSync('chrt', [...flags], { stdio: 'ignore' })
  } catch {
    // Not allowed here, or the server is elsewhere.
  }
}
