import type { Json } from '../core/json.ts'
import type { Trigger } from './trigger.ts'

/** The version of the stored form of a graph. */
export const GRAPH_VERSION = 1

/** How many upstreams a node can have: what its packed counters hold (lua/lib/resolve.lua). */
export const MAX_UPSTREAMS = 65_535

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
  | Condition

/**
 * A template whose value is true or false: `is` equals a constant, `not` is anything but true, `and` and `or` are true
 * if all, or some, of their parts are.
 */
export type Condition =
  | { readonly is: Template; readonly to: Scalar }
  | { readonly not: Template }
  | { readonly and: readonly Template[] }
  | { readonly or: readonly Template[] }

/** What `is` compares with. */
export type Scalar = string | number | boolean | null

/** A node that calls a task. */
export interface TaskNode {
  readonly kind: 'task'
  readonly key: string
  readonly task: string
  readonly input: Template
  readonly trigger: Trigger
  /** Whether it is skipped when an upstream was; absent where its trigger's own answer holds. */
  readonly skipOnUpstreamSkip?: boolean
  /** Must be true, else the node is skipped when its turn comes. Evaluated by the worker that claims it. */
  readonly if?: Template
  /**
   * The indices of the nodes that it waits for, ascending, each once: those that its input and its condition refer to
   * and those of `after`. For every trigger but `all_success`, a `settled` stands for the node that it tells of.
   */
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
 * | `first` | a, b, … | one succeeded (the first in order counts) | that one's value |
 * | `settled` | x | always | `{ status, value }` or `{ status, error }` of x |
 *
 * A gate and a settled have one upstream; those of a join and a first are in order of preference, which need not be
 * ascending. A first forgives nothing.
 * A gate is `skipped` when x didn't fail. A join fires as plan B of its first upstream: when it succeeds, the failed
 * nodes that made its first upstream fail are forgiven.
 */
export interface VirtualNode {
  readonly kind: 'gate' | 'join' | 'first' | 'settled'
  readonly key: string
  readonly upstreams: readonly number[]
  /** For all but a gate, per upstream, the part of its value that counts; absent if each counts whole. */
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
  /** The indices of the nodes whose failures count for the run's end; all if absent. */
  readonly succeedsWhen?: readonly number[]
}
