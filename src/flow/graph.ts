import type { Json } from '../core/json.ts'

/** The version of the stored form of a graph. */
export const GRAPH_VERSION = 1

/**
 * When a node runs, seen from its upstreams. It is evaluated when all of them are final.
 * `all_success`: none failed and none was skipped. `any_failed`: at least one is `failed` or `upstream_failed`.
 */
export type Trigger = 'all_success' | 'any_failed'

/** The way into a value: property names and array indices, outermost first. */
export type Path = readonly (string | number)[]

/**
 * A value with Refs in it, as data. `lit` is a constant, `ref` points into the run's input or into the value of the
 * node with that index, `obj` and `arr` hold further templates.
 */
export type Template =
  | { readonly lit: Json }
  | { readonly ref: number | 'input'; readonly path: Path }
  | { readonly obj: { readonly [key: string]: Template } }
  | { readonly arr: readonly Template[] }

/** A node that calls a task. */
export interface TaskNode {
  readonly kind: 'task'
  readonly key: string
  readonly task: string
  readonly input: Template
  readonly trigger: Trigger
  /** The indices of the nodes that it waits for, ascending, each once: those its input refers to and those of `after`. */
  readonly upstreams: readonly number[]
  /** The queue that it runs in: the node's, else the task's, else the inlined flow's. The run's own if absent. */
  readonly queue?: string
  /** BullMQ's priority, 0 first; found as the queue is. The run's own if absent. */
  readonly priority?: number
  /** Milliseconds between becoming ready and starting, at least 1. */
  readonly delayMs?: number
  /** How many lost leases it survives, where its policy says so. Data, because a script applies it. */
  readonly maxCrashes?: number
}

/**
 * A node that no worker executes: the scripts give it its state as soon as its upstreams are final.
 *
 * | kind | upstreams | succeeds when | value |
 * |---|---|---|---|
 * | `gate` | x | x failed | the `Failure` of x (of the node that made x fail) |
 * | `join` | a, b, … | one succeeded (the first in order counts) | that one's value |
 * | `settled` | x | always | `{ status, value }` or `{ status, error }` of x |
 *
 * A gate and a settled have one upstream; a join's are in order of preference, which need not be ascending.
 * A gate is `skipped` when x didn't fail. A join fires as plan B of its first upstream: when it succeeds, the failed
 * nodes that made its first upstream fail are forgiven.
 */
export interface VirtualNode {
  readonly kind: 'gate' | 'join' | 'settled'
  readonly key: string
  readonly upstreams: readonly number[]
  /** For a join or settled, per upstream, the part of its value that counts; absent if each counts whole. */
  readonly paths?: readonly Path[]
}

/** A node of a graph. Its index in `nodes` is its number in scripts and tickets; upstreams come before it. */
export type GraphNode = TaskNode | VirtualNode

/** A flow's graph as it is stored, once per content hash. */
export interface Graph {
  readonly v: typeof GRAPH_VERSION
  readonly flow: string
  readonly nodes: readonly GraphNode[]
  readonly output: Template
}
