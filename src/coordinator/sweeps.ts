import { readChildrenToSweep } from './answers.ts'
import type { MoveBatch } from './batch.ts'
import type { RedisConnection } from './connection.ts'
import type { ShardKeys } from './keys.ts'

/** Children that are cancelled in one move. */
const CHUNK = 25

/** Fields that are looked at in one command. */
const LOOK = 200

/** What the sweeping of cancelled runs works with. */
export interface SweepParts {
  readonly redis: RedisConnection
  readonly keys: ShardKeys
  readonly batch: MoveBatch
}

/**
 * Cancels the child runs that nodes of a cancelled run wait for, and theirs (R13). A cancelled run awaits no further children,
 * so one look at each finds all. Whoever dies in the middle leaves the run in the set of sweeps, for the reconciler.
 */
export async function sweepCancelled(parts: SweepParts, runId: string): Promise<void> {
  const toSweep = new Set([runId])
  for (const run of toSweep) {
    for await (const children of awaitedChildren(parts, run)) {
      const answer = await parts.batch.run('cancelChildren', [run, ...children], children.length)
      for (const child of readChildrenToSweep(answer)) toSweep.add(child)
    }
    await parts.batch.run('sweptChildren', [run])
  }
}

async function* awaitedChildren(
  { redis, keys }: SweepParts,
  runId: string,
): AsyncGenerator<readonly string[]> {
  let cursor = '0'
  do {
    const [next, fields] = await redis.hscan(
      keys.run(runId),
      cursor,
      'MATCH',
      'a[0-9]*',
      'COUNT',
      LOOK,
    )
    const children = fields.filter((_, i) => i % 2 === 1)
    for (let from = 0; from < children.length; from += CHUNK)
      yield children.slice(from, from + CHUNK)
    cursor = next
  } while (cursor !== '0')
}
