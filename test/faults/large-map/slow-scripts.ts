import { execFileSync } from 'node:child_process'
import type { Redis } from 'ioredis'
import { z } from 'zod'

/** A script call that took long. */
export interface SlowCall {
  readonly ms: number
  /** Its moves, with how many arguments each has, as far as the log tells: `expand 13, claim 9 ... (173 more arguments)`. */
  readonly moves: string
}

/** Script calls of one namespace. Two watches of one server would take its priority from one another. */
export interface SlowScripts {
  /** True if the server runs at real-time priority, so that it never waits for a processor. */
  readonly isUndisturbed: boolean
  /** Those that took longer than the limit, the slowest first. */
  read(): Promise<readonly SlowCall[]>
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
  const [[lastId] = [-1]] = entries.parse(await redis.slowlog('GET', 1))
  const isUndisturbed = schedule(['-f', '-p', '50', pid])
  return {
    isUndisturbed,
    read: async () => {
      const log = entries.parse(await redis.slowlog('GET', 10_000))
      return log
        .flatMap(([id, , micros, args]) =>
          id > lastId &&
          (args[0] === 'fcall' || args[0] === 'evalsha') &&
          args.some((arg) => arg.startsWith(prefix))
            ? [{ ms: micros / 1_000, moves: movesIn(args) }]
            : [],
        )
        .filter(({ moves }) => moves !== '') // BullMQ's scripts have none
        .sort((a, b) => b.ms - a.ms)
    },
    stop: async () => {
      schedule(['-o', '-p', '0', pid])
      await redis.config('SET', 'slowlog-log-slower-than', before)
    },
  }
}

/** Where the first move of a call begins (src/coordinator/batch.ts), and how many arguments the log tells. */
const FIRST_MOVE = 8
const TOLD = 31

function movesIn(args: readonly string[]): string {
  const moves: string[] = []
  for (let at = FIRST_MOVE; at < TOLD; ) {
    const count = Number(args[at + 2])
    if (!/^[a-z]+$/i.test(args[at] ?? '') || !Number.isInteger(count)) break
    moves.push(`${args[at]} ${count}`)
    at += 3 + count
  }
  const last = args.at(-1) ?? ''
  return last.startsWith('... (') ? `${moves.join(', ')} ${last}` : moves.join(', ')
}

/** False where it is not allowed, or the server is elsewhere. */
function schedule(flags: readonly string[]): boolean {
  try {
    execFileSync('chrt', [...flags], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
