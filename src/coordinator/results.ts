import type { RedisConnection } from './connection.ts'
import type { ShardKeys } from './keys.ts'

/** How many values are read at once (R25). */
export const PAGE = 250

/** Reads stored results of nodes, and items of maps, by index. Those that are not stored are left out. */
export async function readResults(
  redis: RedisConnection,
  keys: ShardKeys,
  runId: string,
  indices: readonly number[],
): Promise<Map<number, string>> {
  const results = new Map<number, string>()
  for (let from = 0; from < indices.length; from += PAGE) {
    const page = indices.slice(from, from + PAGE)
    const texts = await redis.hmget(keys.out(runId), ...page.map(String))
    page.forEach((index, i) => {
      const text = texts[i]
      if (typeof text === 'string') results.set(index, text)
    })
  }
  return results
}
