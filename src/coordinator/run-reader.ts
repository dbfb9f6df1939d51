import { RepriseError } from '../core/errors.ts'
import type { Json } from '../core/json.ts'
import type { CompiledGraph } from '../flow/compile.ts'
import type { RedisConnection } from './connection.ts'
import { type CreatingRerun, readCreating } from './creating-rerun.ts'
import type { ShardKeys } from './keys.ts'
import { readResults } from './results.ts'
import { keyedItems, locateNodes } from './run-instances.ts'
import { type NodeSnapshot, type RunSnapshot, snapshotRun } from './run-snapshot.ts'
import { type NodeValues, readNodeValues, readOutput } from './run-values.ts'
import { StoredGraphs } from './stored-graphs.ts'

/** A node of a run with what it got and gave. */
export type NodeDetails = NodeSnapshot & NodeValues

/** The state of a rerun that was made and not opened yet. */
const CREATING = 'N'

/** Reads the runs of one shard as they are stored: every handle, command and query of runs reads through one of these. */
export class RunReader {
  readonly #redis: RedisConnection
  readonly #keys: ShardKeys
  readonly #graphs: StoredGraphs

  /** The connection stays its owner's. */
  constructor(redis: RedisConnection, keys: ShardKeys) {
    this.#redis = redis
    this.#keys = keys
    this.#graphs = new StoredGraphs(redis, keys)
  }

  /** The run with all of its nodes, or null if no worker has opened it, or it was removed after its retention. */
  async read(runId: string): Promise<RunSnapshot | null> {
    const [fields, log] = await Promise.all([
      this.#redis.hgetall(this.#keys.run(runId)),
      this.#redis.hgetall(this.#keys.log(runId)),
    ])
    if (fields.s === undefined || fields.s === CREATING) return null
    const graph = fields.g === undefined ? null : await this.#graphs.get(fields.g)
    return snapshotRun(runId, fields, log, graph, await this.#readKeys(runId, fields, graph))
  }

  async #readKeys(
    runId: string,
    fields: Readonly<Record<string, string>>,
    graph: CompiledGraph | null,
  ): Promise<Map<number, string>> {
    if (!graph || graph.instances.bodies.size === 0) return new Map()
    const items = keyedItems(graph, locateNodes(graph, fields))
    return await readResults(this.#redis, this.#keys, runId, items)
  }

  /** True once the run has ended, false before; null if it is unknown. Much cheaper than reading the run. */
  async hasEnded(runId: string): Promise<boolean | null> {
    const letter = await this.#redis.hget(this.#keys.run(runId), 's')
    return letter === null ? null : letter !== 'R' && letter !== CREATING
  }

  /** The rerun with this id, if it was made and no worker has opened it yet. */
  readCreating(runId: string): Promise<CreatingRerun | null> {
    return readCreating(this.#redis, this.#keys, runId)
  }

  /** The output of a succeeded run: its flow's output template, filled in with stored results. */
  readOutput(run: RunSnapshot): Promise<Json | undefined> {
    return readOutput(this.#redis, this.#keys, run)
  }

  /**
   * One node of a run, with what it got and gave.
   *
   * @throws RepriseError `unknown_node` when the run has no node with this key; the message names those that it has
   */
  async readNode(run: RunSnapshot, key: string): Promise<NodeDetails> {
    const node = run.nodes.find((candidate) => candidate.key === key)
    if (!node) {
      throw new RepriseError(
        'unknown_node',
        `the run ${run.id} has no node ${JSON.stringify(key)}; it has: ${namesOf(run)}`,
      )
    }
    return { ...node, ...(await readNodeValues(this.#redis, this.#keys, run, node)) }
  }
}

const MAX_NAMES = 20

function namesOf({ nodes }: RunSnapshot): string {
  const names = nodes.slice(0, MAX_NAMES).map(({ key }) => key)
  if (names.length === 0) return 'none'
  return nodes.length > MAX_NAMES ? `${names.join(', ')}, …` : names.join(', ')
}
