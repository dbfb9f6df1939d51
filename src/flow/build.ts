import { DefinitionError } from '../core/errors.ts'
import type { RetryOption } from '../strategies/shorthand.ts'
import type { FlowNode, NodePolicies } from './flow-definition.ts'
import type { GraphNode } from './graph.ts'
import { type NodeKeys, newNodeKeys } from './node-keys.ts'

/** The definition of one flow while its build function runs. */
export interface Build {
  readonly flow: string
  readonly nodes: GraphNode[]
  readonly flowNodes: Map<string, FlowNode>
  readonly runNodes: Map<string, NodePolicies>
  readonly keys: NodeKeys
  /** By the index of a map, the plan B that it was made in, by its gate; undefined outside of plans. */
  readonly planOfMap: Map<number, number | undefined>
  /** The flow whose build function is running: this one, or one that is inlined into it. */
  frame: Frame
  /** False as soon as the build function has returned: Refs are of no use from then on. */
  open: boolean
}

/** What a function that makes nodes adds to them. */
export interface Frame {
  /** Begins the keys of its nodes; empty for the flow that is defined. */
  readonly prefix: string
  readonly retry?: RetryOption | undefined
  readonly queue?: string | undefined
  readonly priority?: number | undefined
  /** The index of the map whose body it makes. */
  readonly map?: number | undefined
  /** The index of the gate of the innermost plan B around. */
  readonly plan?: number | undefined
  /** The call of a map whose function is running: that makes arguments, and no nodes. */
  readonly argumentsOf?: string | undefined
}

/** Build functions are synchronous, so that one variable is enough to know which one is running. */
let current: Build | undefined

/** Starts the definition of a flow. */
export function newBuild(flow: string, frame: Frame): Build {
  return {
    flow,
    nodes: [],
    flowNodes: new Map(),
    runNodes: new Map(),
    keys: newNodeKeys(),
    planOfMap: new Map(),
    frame,
    open: true,
  }
}

/**
 * The build that is running.
 *
 * @param otherwise the error's message if there is none: what was called, and what to call instead
 */
export function currentBuild(otherwise: () => string): Build {
  if (current === undefined) throw new DefinitionError(otherwise())
  return current
}

/** Runs a flow's build function, and closes the build. */
export function runBuild<T>(build: Build, run: () => T): T {
  const outer = current
  current = build
  try {
    return run()
  } finally {
    current = outer
    build.open = false
  }
}

/** Runs a function that makes nodes, or arguments, for another frame. */
export function runInFrame<T>(build: Build, frame: Frame, run: () => T): T {
  const outer = build.frame
  build.frame = frame
  try {
    return run()
  } finally {
    build.frame = outer
  }
}

/**
 * Adds a node where the build is.
 *
 * @returns its index
 * @throws DefinitionError in the function of a map
 */
export function addNode(build: Build, node: GraphNode): number {
  const { map, argumentsOf } = build.frame
  if (argumentsOf !== undefined) {
    throw new DefinitionError(
      `${argumentsOf}: ${node.key} was made in its function, which runs once and makes the arguments for an item. To do more than one thing for each item, put it into a flow and map that: flow.map(items, …)`,
    )
  }
  return build.nodes.push(map === undefined ? node : { ...node, map }) - 1
}
