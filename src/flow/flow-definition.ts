import type { z } from 'zod'
import type { RunRetry } from '../core/lineage.ts'
import type { RetryOption } from '../strategies/shorthand.ts'
import type { Graph } from './graph.ts'
import type { TaskDefinition } from './task-definition.ts'

/** What a worker or producer needs to know of a flow. Every `Flow` is one. */
export interface FlowDefinition {
  readonly name: string
  /** Parses the run's raw input, once, when the run is opened. */
  readonly input: z.ZodType
  /** The default policy of the nodes that come from this flow itself. */
  readonly retry?: RetryOption
  /** When its runs are retried as a whole. */
  readonly runRetry?: RunRetry
  /** The queue of the run, and of every node that has none of its own. */
  readonly queue?: string
  /** The priority of the run, and of every node that has none of its own. */
  readonly priority?: number
  readonly graph: Graph
  /** By key, what the graph's data can't hold of each node that calls a task. */
  readonly nodes: ReadonlyMap<string, FlowNode>
  /** By key, the policies of each node that waits for a run of another flow. */
  readonly runNodes: ReadonlyMap<string, NodePolicies>
}

/** The retry policies of a node. */
export interface NodePolicies {
  /** The node's own policy, from `.with({ retry })` or `asRun({ retry })`. It beats the task's. */
  readonly retry?: RetryOption
  /** The policy of the nearest enclosing flow that has one. The task's beats it. */
  readonly flowRetry?: RetryOption
}

/** The code and the policies behind a node that calls a task. */
export interface FlowNode extends NodePolicies {
  readonly task: TaskDefinition
  /** The node's own time limit for one attempt, from `.with({ timeout })`. It beats the task's. */
  readonly timeoutMs?: number
}
