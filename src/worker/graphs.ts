import type { RedisConnection } from '../coordinator/connection.ts'
import type { ShardKeys } from '../coordinator/keys.ts'
import { readGraph } from '../coordinator/run-snapshot.ts'
import { RepriseError } from '../core/errors.ts'
import type { CompiledGraph } from '../flow/compile.ts'

/** Graphs by content hash: those of this process' flows, and those of other versions, read from Redis when needed. */
export class Graphs {
  readonly #redis: RedisConnection
  readonly #keys: ShardKeys
  readonly #known: Map<string, CompiledGraph>

  constructor(redis: RedisConnection, keys: ShardKeys, own: readonly CompiledGraph[]) {
    this.#redis = redis
    this.#keys = keys
    this.#known = new Map(own.map((graph) => [graph.hash, graph]))
  }

  async get(hash: string): Promise<CompiledGraph> {
    const known = this.#known.get(hash)
    if (known) return known
    const graph = await readGraph(this.#redis, this.#keys, hash)
    this.#known.set(hash, graph)
    return graph
  }

  /** The graph of a run, for whoever knows only its id. */
  async ofRun(runId: string): Promise<CompiledGraph> {
    const hash = await this.#redis.hget(this.#keys.run(runId), 'g')
    if (hash === null) throw new RepriseError('internal', `the run ${runId} has no graph`)
    return await this.get(hash)
  }
}
