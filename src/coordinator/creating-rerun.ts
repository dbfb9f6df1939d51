import { type Place, readPlace } from './answers.ts'
import type { RedisConnection } from './connection.ts'
import type { ShardKeys } from './keys.ts'

/** A rerun that no worker has opened. */
export interface CreatingRerun {
  readonly runId: string
  /** The run that it repeats. */
  readonly from: string
  readonly graph: string
  readonly flow: string
  /** The stored options, JSON; with the record of the rerun. */
  readonly options: string
  readonly input: string
  readonly place: Place | null
  /** Epoch ms by Redis' clock. */
  readonly createdAt: number
  readonly dueAt: number
}

/** Reads a rerun that no worker has opened; null if it is none. */
export async function readCreating(
  redis: RedisConnection,
  keys: ShardKeys,
  runId: string,
): Promise<CreatingRerun | null> {
  const names = ['s', 'rp', 'g', 'q', 'o', 'i', 'p', 'at', 'du'] as const
  const values = await redis.hmget(keys.run(runId), ...names)
  const [state, from, graph, flow, options, input, place, createdAt, dueAt] = values
  if (state !== 'N') return null
  return {
    runId,
    from: from ?? '',
    graph: graph ?? '',
    flow: flow ?? '',
    options: options ?? '',
    input: input ?? 'null',
    place: readPlace(place ?? ''),
    createdAt: Number(createdAt),
    dueAt: Number(dueAt),
  }
}
