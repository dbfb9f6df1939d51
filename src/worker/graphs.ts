import type { Place } from '../coordinator/answers.ts'
import type { Coordinator } from '../coordinator/coordinator.ts'
import type { CompiledGraph } from '../flow/compile.ts'
import { isWorkNode, type WorkNode } from '../flow/graph.ts'
import type { Handlers } from './handlers.ts'

/** A graph, and what this process can do with it. */
export interface KnownGraph {
  readonly graph: CompiledGraph
  /** True if this process knows every task of the graph: only then may it go on with nodes that became ready. */
  readonly isComplete: boolean
  /** Per node, those that wait for it and that workers execute. */
  readonly next: readonly (readonly WorkNode[])[]
}

/** Graphs by content hash: those of this process' flows, and those of other versions, read from Redis when needed. */
export class Graphs {
  readonly #coordinator: Coordinator
  readonly #handlers: Handlers
  readonly #known: Map<string, KnownGraph>

  constructor(coordinator: Coordinator, handlers: Handlers) {
    this.#coordinator = coordinator
    this.#handlers = handlers
    this.#known = new Map(handlers.graphs().map((graph) => [graph.hash, this.#learn(graph)]))
  }

  async get(hash: string): Promise<KnownGraph> {
    const known = this.#known.get(hash)
    if (known) return known
    const graph = this.#learn(await this.#coordinator.readGraph(hash))
    this.#known.set(hash, graph)
    return graph
  }

  /** The graph and the place of a run, for whoever knows only its id. */
  async ofRun(runId: string): Promise<{ graph: KnownGraph; place: Place | null }> {
    const { graph, place } = await this.#coordinator.readRunFacts(runId)
    return { graph: await this.get(graph), place }
  }

  #learn(graph: CompiledGraph): KnownGraph {
    const { flow, nodes } = graph.graph
    const next = nodes.map((): WorkNode[] => [])
    for (const node of nodes) {
      if (!isWorkNode(node)) continue
      for (const upstream of node.upstreams) next[upstream]?.push(node)
    }
    const isComplete = nodes.every((node) => !isWorkNode(node) || this.#handlers.knows(flow, node))
    return { graph, isComplete, next }
  }
}
