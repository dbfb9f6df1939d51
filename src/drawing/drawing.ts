import type { NodeState } from '../core/states.ts'
import type { Graph, GraphNode, TaskNode } from '../flow/graph.ts'

/** What there is to see of a flow or a run, whatever it is drawn with. */
export interface Drawing {
  readonly title: string
  /** In the graph's order: upstreams come first. */
  readonly nodes: readonly DrawnNode[]
  readonly edges: readonly DrawnEdge[]
}

/** A node of a drawing. */
export interface DrawnNode {
  readonly key: string
  /** `task`: workers execute it. `mark`: a gate, join or settled, which no worker executes. */
  readonly shape: 'task' | 'mark'
  /** What is to be read in it: its name first, then details. */
  readonly lines: readonly string[]
  /** Null in the drawing of a flow. */
  readonly state: NodeState | null
}

/** A dependency of a drawing, by the positions of its ends in `nodes`. */
export interface DrawnEdge {
  readonly from: number
  readonly to: number
  /** True if `to` goes on when `from` failed. */
  readonly isFailure: boolean
}

/** What a drawing says of a node of a run: its state, and a line of details. */
export interface NodeNote {
  readonly state: NodeState
  readonly text: string
}

/** The drawing of a flow. */
export function drawFlow(graph: Graph): Drawing {
  return drawingOf(graph, graph.flow, (node) => ({ state: null, lines: factsOf(node) }))
}

/**
 * The drawing of a run.
 *
 * @param noteOf what to say of the node with that index
 */
export function drawRun(graph: Graph, title: string, noteOf: (index: number) => NodeNote): Drawing {
  return drawingOf(graph, title, (_node, index) => {
    const { state, text } = noteOf(index)
    return { state, lines: [text] }
  })
}

type Details = Pick<DrawnNode, 'state' | 'lines'>

function drawingOf(
  { nodes }: Graph,
  title: string,
  detailsOf: (node: GraphNode, index: number) => Details,
): Drawing {
  return {
    title,
    nodes: nodes.map((node, index) => {
      const { state, lines } = detailsOf(node, index)
      const name = node.kind === 'task' ? node.key : node.key.replace('$', '')
      const shape = node.kind === 'task' ? 'task' : 'mark'
      return { key: node.key, shape, lines: [name, ...lines], state }
    }),
    edges: nodes.flatMap((node, to) =>
      node.upstreams.map((from) => ({ from, to, isFailure: goesOnAfterFailure(node) })),
    ),
  }
}

function goesOnAfterFailure(node: GraphNode): boolean {
  return node.kind === 'gate' || (node.kind === 'task' && node.trigger === 'any_failed')
}

/** What a node's name doesn't tell: another task's name, its trigger, its queue, its delay. */
function factsOf(node: GraphNode): string[] {
  if (node.kind !== 'task') return []
  const { task, trigger, queue, delayMs } = node
  const facts = [
    isNamedAfter(node, task) ? '' : task,
    trigger === 'all_success' ? '' : trigger,
    queue === undefined ? '' : `queue ${queue}`,
    delayMs === undefined ? '' : `delay ${delayMs} ms`,
  ].filter((fact) => fact !== '')
  return facts.length === 0 ? [] : [facts.join(', ')]
}

function isNamedAfter({ key }: TaskNode, task: string): boolean {
  const own = key.slice(key.lastIndexOf('/') + 1)
  return own === task || own.replace(/-\d+$/, '') === task
}
