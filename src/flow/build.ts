import { DefinitionError } from '../core/errors.ts'
import type { RetryOption } from '../strategies/shorthand.ts'
import type { FlowNode } from './flow-definition.ts'
import type { GraphNode } from './graph.ts'
import { type NodeKeys, newNodeKeys } from './node-keys.ts'

/** The definition of one flow while its build function runs. */
export interface Build {
  readonly flow: string
  readonly nodes: GraphNode[]
  readonly flowNodes: Map<string, FlowNode>
  readonly keys: NodeKeys
  /** The flow whose build function is running: this one, or one that is inlined into it. */
  frame: Frame
  /** False as soon as the build function has returned: Refs are of no use from then on. */
  open: boolean
}

/** What an inlined flow adds to the nodes that it makes. */
export interface Frame {
  /** Begins the keys of its nodes; empty for the flow that is defined. */
  readonly prefix: string
  readonly retry?: RetryOption | undefined
  readonly queue?: string | undefined
  readonly priority?: number | undefined
}

/** Build functions are synchronous, so that one variable is enough to know which one is running. */
let current: Build | undefined

/** Starts the definition of a flow. */
export function newBuild(flow: string, frame: Frame): Build {
  return { flow, nodes: [], flowNodes: new Map(), keys: newNodeKeys(), frame, open: true }
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

/** Runs the build function of a flow that is inlined. */
export function runInFrame<T>(build: Build, frame: Frame, run: () => T): T {
  const outer = build.frame
  build.frame = frame
  try {
    return run()
  } finally {
    build.frame = outer
  }
}
