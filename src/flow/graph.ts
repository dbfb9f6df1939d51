import type { Json } from '../core/json.ts'
import type { Trigger } from './trigger.ts'

/** The version of the stored form of a graph. */
export const GRAPH_VERSION = 1

/** How many nodes a graph can have: the instances of a map's nodes are numbered beyond (instances.ts). */
export const MAX_NODES = 1_000_000

/** How many upstreams a node can have, and how many items a map: what its packed counters hold (lua/lib/resolve.lua). */
export const MAX_UPSTREAMS = 65_535

/** The way into a value: property names and array indices, outermost first. */
export type Path = readonly (string | number)[]

/**
 * Where a `ref` of a template points: to the value of the node with that index, to the run's input, or, in a map's
 * body, to the item that is being mapped, or to its position from 0. The number is the index of the `MapNode`.
 */
export type Source = number | 'input' | ItemSource

export type ItemSource = `item:${number}` | `index:${number}`

/**
 * A value with Refs in it, as data. `lit` is a constant, `ref` points into the value of a source, `obj` and `arr` hold
 * further templates.
 */
export type Template =
  | { readonly lit: Json }
  | { readonly ref: Source; readonly path: Path }
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

/** What every node has. */
interface NodeBase {
  /** Unique in the graph. In a map's body it holds `[*]` where an instance has the item's key: `fetch[*]`, `eu[*]/ping`. */
  readonly key: string
  /**
   * In a map's body, the index of the innermost `MapNode` around it: there is an instance of the node per item. Its
   * upstreams are in the same body; what it takes from outside, the map waits for.
   */
  readonly map?: number
}

/** What all nodes have that call a task, or start a run. */
interface ExecutedNode extends NodeBase {
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

/** A node that calls a task. */
export interface TaskNode extends ExecutedNode {
  readonly kind: 'task'
  readonly task: string
  /** The key of the lock that its attempts need, where it has one of its own; else its task's, which workers know. */
  readonly lock?: string
}

/** A node that starts a run of another flow and waits for it: its value is that run's output. */
export interface RunNode extends ExecutedNode {
  readonly kind: 'run'
  readonly child: ChildTarget
}

/** What a child run is started with, besides its input. */
export interface ChildTarget {
  readonly flow: string
  /** The queue of its job; `default` if absent. */
  readonly queue?: string
  /** BullMQ's priority of its job, 0 first. */
  readonly priority?: number
}

/** A node that calls a task or starts a run: what its worker does for it is an attempt that can fail and be retried. */
export type WorkNode = TaskNode | RunNode

/**
 * A node that no worker executes: the scripts give it its state as soon as its upstreams are final.
 *
 * | kind | upstreams | succeeds when | value |
 * |---|---|---|---|
 * | `gate` | x | x failed | the `Failure` of x (of the node that made x fail) |
 * | `join` | a, b, … | one succeeded (the first in order counts) | that one's value |
 * | `first` | a, b, … | one succeeded (the first in order counts) | that one's value |
 * | `settled` | x | always | `{ status, value }` or `{ status, error }` of x; of a group, a list of them, one per item |
 * | `succeeded` | x | x succeeded | x, a list of settled items, without those that failed or were skipped: their values |
 *
 * A gate and a settled have one upstream; those of a join and a first are in order of preference, which need not be
 * ascending. A first forgives nothing.
 * A gate is `skipped` when x didn't fail. A join fires as plan B of its first upstream: when it succeeds, the failed
 * nodes that made its first upstream fail are forgiven.
 */
export interface VirtualNode extends NodeBase {
  readonly kind: 'gate' | 'join' | 'first' | 'settled' | 'succeeded'
  readonly upstreams: readonly number[]
  /** For all but a gate, per upstream, the part of its value that counts; absent if each counts whole. */
  readonly paths?: readonly Path[]
}

/**
 * Makes the instances of a map's body, one per item, when its upstreams have succeeded. The worker that claims it
 * evaluates `items` (and `itemKey` for each) and fails it with `map_invalid` if that is no array, too long, or if two
 * keys are equal. It succeeds with the last instance made, and has no value. Its key ends in `[]`.
 */
export interface MapNode extends NodeBase {
  readonly kind: 'map'
  readonly items: Template
  /** The item's key, a text or a number, in terms of `item:` and `index:` of this node; its position if absent. */
  readonly itemKey?: Template
  readonly maxItems: number
  readonly upstreams: readonly number[]
}

/**
 * The results of a map: a virtual node that is final when the map has made its items and every item's `outcome` is
 * final. It succeeds if no more items failed than are tolerated, and forgives those; else it is `upstream_failed`. It
 * shares the fate of a map that failed or was skipped.
 *
 * Its value is the list of its items in order: without `tolerate` their values, skipped items left out; with it,
 * `{ status, value }` or `{ status, error }` of each.
 */
export interface GroupNode extends NodeBase {
  readonly kind: 'group'
  /** How many of its items may fail: a count, or, between 0 and 1, a fraction. */
  readonly tolerate?: number
  /** The `MapNode`, and the node of its body whose end is that of an item. */
  readonly upstreams: readonly [map: number, outcome: number]
}

/**
 * The end of one item of a mapped flow: a virtual node in the map's body with the flow's output as its value. It waits
 * for the nodes that the output is made of, and for those of the flow that nothing else waits for; it succeeds if none
 * of them failed and one succeeded.
 */
export interface ItemNode extends NodeBase {
  readonly kind: 'item'
  readonly output: Template
  readonly upstreams: readonly number[]
}

/** A node of a graph. Its index in `nodes` is its number in scripts and tickets; upstreams come before it. */
export type GraphNode = WorkNode | MapNode | VirtualNode | GroupNode | ItemNode

/** What a node calls, as logs, hooks and policies name it: its task, or `flow:<name>` of a child run. */
export function calleeOf(node: WorkNode): string {
  return node.kind === 'task' ? node.task : `flow:${node.child.flow}`
}

/** True for a node that calls a task or starts a run; false for a map, and for one that only the scripts resolve. */
export function isWorkNode<N extends Pick<GraphNode, 'kind'>>(
  node: N | undefined,
): node is N & { readonly kind: WorkNode['kind'] } {
  return node?.kind === 'task' || node?.kind === 'run'
}

/** A flow's graph as it is stored, once per content hash. */
export interface Graph {
  readonly v: typeof GRAPH_VERSION
  readonly flow: string
  readonly nodes: readonly GraphNode[]
  readonly output: Template
  /** The indices of the nodes whose failures count for the run's end; all if absent. */
  readonly succeedsWhen?: readonly number[]
}
