import { RepriseError } from '../core/errors.ts'
import { type CompiledGraph, compileGraph } from '../flow/compile.ts'
import { parseGraph } from '../flow/graph-schema.ts'
import type { RedisConnection } from './connection.ts'
import type { ShardKeys } from './keys.ts'

const CACHE_SIZE = 100

/** The stored graphs of one shard. The same hash is the same graph for ever, so each is read and compiled once. */
export class StoredGraphs {
  readonly #redis: RedisConnection
  readonly #keys: ShardKeys
  /** Least recently used first. */
  readonly #known = new Map<string, CompiledGraph>()

  constructor(redis: RedisConnection, keys: ShardKeys) {
    this.#redis = redis
    this.#keys = keys
  }

  /** @throws RepriseError (`internal`) when the graph is not stored any more, or can't be read */
  async get(hash: string): Promise<CompiledGraph> {
    const graph = this.#known.get(hash) ?? (await readGraph(this.#redis, this.#keys, hash))
    this.#known.delete(hash)
    this.#known.set(hash, graph)
    const [oldest] = this.#known.keys()
    if (this.#known.size > CACHE_SIZE && oldest !== undefined) this.#known.delete(oldest)
    return graph
  }
}

/** Reads a stored graph by its content hash. */
export async function readGraph(
  redis: RedisConnection,
  keys: ShardKeys,
  hash: string,
): Promise<CompiledGraph> {
  const json = await redis.hget(keys.graph(hash), 'json')
  if (json === null) {
    throw new RepriseError('internal', `the graph ${hash} is not stored any more`)
  }
  return compileGraph(parseGraph(json, `the stored graph ${hash}`))
}
