import type { Failure } from '../core/failure.ts'
import { fromJsonText, type Json } from '../core/json.ts'
import { isFinalNodeState } from '../core/states.ts'
import type { CompiledGraph, Sources } from '../flow/compile.ts'
import { isWorkNode, type Template } from '../flow/graph.ts'
import type { Location } from '../flow/instances.ts'
import { fillTemplate, type KnownValues, type NodeOutcome, unknownIndices } from '../flow/values.ts'
import type { RedisConnection } from './connection.ts'
import type { ShardKeys } from './keys.ts'
import { readResults } from './results.ts'
import { itemsByGroup } from './run-instances.ts'
import { failureOfEntry } from './run-record.ts'
import type { NodeSnapshot, RunSnapshot } from './run-snapshot.ts'
import { readItem } from './stored-items.ts'

/** What a node got and gave, as JSON. */
export interface NodeValues {
  /** Its raw input, put together from the results of its upstreams; undefined while (or since) it could not start. */
  readonly input: Json | undefined
  /** Its value; undefined unless it succeeded. */
  readonly output: Json | undefined
}

/** Reads the output of an ended run: its flow's output template, filled in with stored results. */
export async function readOutput(
  redis: RedisConnection,
  keys: ShardKeys,
  run: RunSnapshot,
): Promise<Json | undefined> {
  const { graph } = run
  if (!graph) return undefined
  const values = new SnapshotValues(run, graph)
  const outside = { index: -1, template: -1, levels: [] }
  return await values.fillIn(redis, keys, outside, graph.graph.output, graph.outputSources)
}

/** Reads what a node got and gave. */
export async function readNodeValues(
  redis: RedisConnection,
  keys: ShardKeys,
  run: RunSnapshot,
  { index, state, attempts }: NodeSnapshot,
): Promise<NodeValues> {
  const { graph } = run
  if (!graph) return { input: undefined, output: undefined }
  const at = graph.instances.locate(index)
  const node = graph.graph.nodes[at.template]
  const sources = graph.sources[at.template]
  const values = new SnapshotValues(run, graph)
  const made = isWorkNode(node) ? undefined : sources
  const own: Sources = {
    input: false,
    nodes: [...(made?.nodes ?? []), at.template],
    hasGroups: made?.hasGroups ?? node?.kind === 'group',
    items: made?.items ?? [],
  }
  const [input, output] = await Promise.all([
    isWorkNode(node) && sources && couldStart(state, attempts)
      ? values.fillIn(redis, keys, at, node.input, sources)
      : undefined,
    state === 'succeeded'
      ? values.fillIn(redis, keys, at, { ref: at.template, path: [] }, own)
      : undefined,
  ])
  return { input, output }
}

function couldStart(state: NodeSnapshot['state'], attempts: number): boolean {
  if (attempts > 0) return true
  return state === 'ready' || state === 'waiting' || state === 'failed'
}

/** The values of a run: states and failures as it was read, results and items as they are stored. */
class SnapshotValues implements KnownValues {
  readonly #run: RunSnapshot
  readonly #graph: CompiledGraph
  readonly #nodes: ReadonlyMap<number, NodeSnapshot>
  readonly #texts = new Map<number, string | null>()
  #items: ReadonlyMap<number, readonly NodeSnapshot[]> | undefined

  constructor(run: RunSnapshot, graph: CompiledGraph) {
    this.#run = run
    this.#graph = graph
    this.#nodes = new Map(run.nodes.map((node) => [node.index, node]))
  }

  async fillIn(
    redis: RedisConnection,
    keys: ShardKeys,
    at: Location,
    template: Template,
    sources: Sources,
  ): Promise<Json | undefined> {
    const known = {
      has: (index: number) => this.#texts.has(index),
      itemCount: (group: number) => this.itemCount(group),
    }
    for (;;) {
      const unknown = unknownIndices(this.#graph, at, sources, known)
      if (unknown.length === 0) return fillTemplate(this.#graph, at, template, this)
      const texts = await readResults(redis, keys, this.#run.id, unknown)
      for (const index of unknown) this.#texts.set(index, texts.get(index) ?? null)
    }
  }

  outcome(index: number): NodeOutcome | undefined {
    const node = this.#nodes.get(index)
    if (!node || !isFinalNodeState(node.state)) return undefined
    const { state } = node
    if (state === 'succeeded') {
      const text = this.#texts.get(index) ?? null
      return text === null
        ? { state }
        : { state, value: fromJsonText(text, `the result of ${node.key}`) }
    }
    const failure = this.#failureOf(node)
    return failure ? { state, failure } : { state }
  }

  item(index: number): Json | undefined {
    const text = this.#texts.get(index)
    return typeof text === 'string' ? readItem(text).value : undefined
  }

  itemCount(group: number): number {
    this.#items ??= itemsByGroup(this.#graph, this.#run.nodes)
    return this.#items.get(group)?.length ?? 0
  }

  input(): Json | undefined {
    return this.#run.input
  }

  #failureOf(node: NodeSnapshot): Failure | null {
    const culprit =
      node.causedBy === null ? node : this.#run.nodes.find(({ key }) => key === node.causedBy)
    const last = culprit?.log.at(-1)
    return last ? failureOfEntry(last) : null
  }
}
