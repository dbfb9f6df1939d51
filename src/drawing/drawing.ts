import type { NodeState } from '../core/states.ts'
import {
  type Graph,
  type GraphNode,
  type GroupNode,
  isWorkNode,
  type TaskNode,
  type WorkNode,
} from '../flow/graph.ts'
import { ITEM_MARK } from '../flow/names.ts'

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
  /** `task`: it calls one. `run`: it waits for a child run. `mark`: a map, or what no worker executes, such as a join. */
  readonly shape: 'task' | 'run' | 'mark'
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
      const name = isWorkNode(node) ? node.key : node.key.replace('$', '')
      const shape = isWorkNode(node) ? node.kind : 'mark'
      return { key: node.key, shape, lines: [name, ...lines], state }
    }),
    edges: nodes.flatMap((node, to) =>
      sourcesOf(node).map((from) => ({ from, to, isFailure: goesOnAfterFailure(node) })),
    ),
  }
}

/** The nodes that it is drawn behind: what a map repeats stands between the map and the group of the results. */
function sourcesOf(node: GraphNode): readonly number[] {
  if (node.kind === 'group') return [node.upstreams[1]]
  return node.upstreams.length === 0 && node.map !== undefined ? [node.map] : node.upstreams
}

function goesOnAfterFailure(node: GraphNode): boolean {
  return node.kind === 'gate' || (isWorkNode(node) && node.trigger === 'any_failed')
}

/** What a node's name doesn't tell: another task's name, its trigger, its queue, its delay, what a group tolerates. */
function factsOf(node: GraphNode): string[] {
  if (node.kind === 'group') return toleranceOf(node)
  if (!isWorkNode(node)) return []
  const { trigger, queue, delayMs } = node
  const facts = [
    calleeText(node),
    trigger === 'all_success' ? '' : trigger,
    queue === undefined ? '' : `queue ${queue}`,
    delayMs === undefined ? '' : `delay ${delayMs} ms`,
  ].filter((fact) => fact !== '')
  return facts.length === 0 ? [] : [facts.join(', ')]
}

function toleranceOf({ tolerate }: GroupNode): string[] {
  if (tolerate === undefined) return []
  const isFraction = tolerate > 0 && tolerate < 1
  return [`tolerates ${isFraction ? `${Number((tolerate * 100).toFixed(4))} %` : tolerate}`]
}

function calleeText(node: WorkNode): string {
  if (node.kind === 'run') return `run of ${node.child.flow}`
  return isNamedAfter(node, node.task) ? '' : node.task
}

function isNamedAfter({ key }: TaskNode, task: string): boolean {
  const own = key.slice(key.lastIndexOf('/') + 1).replace(ITEM_MARK, '')
  return own === task || own.replace(/-\d+$/, '') === task
}
