/** The node that started a run, and the first run of its lineage. */
export interface ParentNode {
  readonly runId: string
  /** The node's key. */
  readonly node: string
  /** The run that nobody started from a handler: the parent itself, or its own root. */
  readonly rootId: string
}

/** A run that a node's handler started. */
export interface ChildRun {
  /** The key of the node that started it. */
  readonly node: string
  /** The key of the call: given, or `<name>#<n>`. */
  readonly key: string
  readonly runId: string
  /** The child's flow; `task:<name>` for a task on its own. */
  readonly flow: string
}
