import { RepriseError } from '../core/errors.ts'
import { type CompiledGraph, compileGraph } from '../flow/compile.ts'
import type { FlowDefinition, FlowNode, NodePolicies } from '../flow/flow-definition.ts'
import type { RunNode, TaskNode, WorkNode } from '../flow/graph.ts'
import { singleTaskFlow } from '../flow/single.ts'
import type { TaskDefinition } from '../flow/task-definition.ts'

/** A flow that this process knows, ready to be opened. */
export interface KnownFlow {
  readonly definition: FlowDefinition
  readonly graph: CompiledGraph
}

/** What this process can execute: flows and tasks by name. */
export class Handlers {
  readonly #flows = new Map<string, KnownFlow>()
  readonly #tasks = new Map<string, TaskDefinition>()

  /** @throws RepriseError (`options`) when two flows, or two different tasks, have one name */
  constructor(flows: readonly FlowDefinition[], tasks: readonly TaskDefinition[]) {
    for (const flow of flows) this.#addFlow(flow)
    for (const task of tasks) this.#addTask(task)
    for (const task of [...this.#tasks.values()])
      this.#addFlow(singleTaskFlow({ definition: task }))
  }

  /** The flow that a run is opened with. */
  flow(name: string): KnownFlow | null {
    return this.#flows.get(name) ?? null
  }

  /** All graphs that runs of this process use. */
  graphs(): CompiledGraph[] {
    return [...this.#flows.values()].map(({ graph }) => graph)
  }

  /**
   * The code behind a node: the flow's own node if it still calls that task, else the task alone, for runs of an older
   * or newer version of the flow.
   */
  node(flow: string, node: TaskNode): FlowNode | null {
    const known = this.#flows.get(flow)?.definition.nodes.get(node.key)
    if (known?.task.name === node.task) return known
    const task = this.#tasks.get(node.task)
    return task ? { task } : null
  }

  /**
   * The policies of a node that waits for a child run; null if this process doesn't know the node's own flow. A node
   * that another version of the flow has gets none of its own.
   */
  policies(flow: string, node: RunNode): NodePolicies | null {
    const known = this.#flows.get(flow)
    return known ? (known.definition.runNodes.get(node.key) ?? {}) : null
  }

  /** True if this process can execute the node. */
  knows(flow: string, node: WorkNode): boolean {
    return (node.kind === 'task' ? this.node(flow, node) : this.policies(flow, node)) !== null
  }

  /** The names of the tasks. */
  taskNames(): string[] {
    return [...this.#tasks.keys()]
  }

  /** The names of the flows, each with the hash of its graph. */
  flowVersions(): { readonly [name: string]: string } {
    return Object.fromEntries(
      this.flowNames().map((name) => [name, this.#flows.get(name)?.graph.hash ?? '']),
    )
  }

  /** The names of the flows, for messages. */
  flowNames(): string[] {
    return [...this.#flows.keys()].filter((name) => !name.includes(':'))
  }

  #addFlow(definition: FlowDefinition): void {
    const { name } = definition
    if (this.#flows.has(name)) {
      throw new RepriseError(
        'options',
        `worker options: two flows have the name ${name}; names must be unique`,
      )
    }
    this.#flows.set(name, { definition, graph: compileGraph(definition.graph) })
    for (const { task } of definition.nodes.values()) this.#addTask(task)
  }

  #addTask(task: TaskDefinition): void {
    const known = this.#tasks.get(task.name)
    if (known && known.run !== task.run) {
      throw new RepriseError(
        'options',
        `worker options: two tasks have the name ${task.name}; names must be unique`,
      )
    }
    this.#tasks.set(task.name, task)
  }
}
