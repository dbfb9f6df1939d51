import { Graph, layout } from '@dagrejs/dagre'
import type { DrawnEdge } from './drawing.ts'

/** How much room something takes: across its layer, and along the direction in which the graph flows. */
export interface Size {
  readonly breadth: number
  readonly depth: number
}

/** A place: how far across, and how far along. */
export interface Point {
  readonly breadth: number
  readonly depth: number
}

/** The least distances between neighbours of a layer, and between layers. */
export interface Spacing {
  readonly node: number
  readonly edge: number
  readonly layer: number
}

/** Where everything is in a layered drawing: edges lead from lower layers to higher ones. */
export interface Layout extends Size {
  /** By node: its centre, and its layer from 0. */
  readonly nodes: readonly (Point & { readonly layer: number })[]
  /** By edge: the points that it passes, in its direction; at least one at each layer between its ends. */
  readonly edges: readonly (readonly Point[])[]
  /** The depth of the centre of each layer. */
  readonly layers: readonly number[]
}

// What the library writes into the labels of nodes and edges; its own types don't resolve under `nodenext`.
interface LibraryPoint {
  readonly x: number
  readonly y: number
}

/** Layouts of larger graphs can take a minute, and nobody can follow their lines. */
export const MAX_LAID_OUT_NODES = 300

/** Lays out a graph in layers, with few crossings. It knows nothing of what it is drawn with. */
export function layOut(
  sizes: readonly Size[],
  edges: readonly DrawnEdge[],
  spacing: Spacing,
): Layout {
  const breadthOf = (index: number) => sizes[index]?.breadth ?? 0
  const graph = new Graph()
  graph.setGraph({ nodesep: spacing.node, edgesep: spacing.edge, ranksep: spacing.layer })
  for (const [index, { breadth, depth }] of sizes.entries()) {
    graph.setNode(String(index), { width: breadth, height: depth })
  }
  for (const { from, to } of edges) graph.setEdge(String(from), String(to), {})
  layout(graph)
  const centres = sizes.map((_, index): LibraryPoint => graph.node(String(index)))
  const lines = edges.map(({ from, to }): readonly LibraryPoint[] => {
    return graph.edge(String(from), String(to)).points
  })
  // Lines may lie outside of what the library takes for the width.
  const sides = centres.flatMap(({ x }, i) => [x - breadthOf(i) / 2, x + breadthOf(i) / 2])
  const all = [...sides, ...lines.flat().map(({ x }) => x)]
  const [left, right] = [Math.min(...all), Math.max(...all)]
  const isMirrored = areReversed(centres)
  const place = ({ x, y }: LibraryPoint): Point => {
    return { breadth: isMirrored ? right - x : x - left, depth: y }
  }
  // The library centres the nodes of a layer on one line.
  const layers = [...new Set(centres.map(({ y }) => y))].sort((a, b) => a - b)
  return {
    breadth: right - left,
    depth: Math.max(...centres.map(({ y }, i) => y + (sizes[i]?.depth ?? 0) / 2)),
    nodes: centres.map((centre) => ({ ...place(centre), layer: layers.indexOf(centre.y) })),
    edges: lines.map((points) => points.map(place)),
    layers,
  }
}

/** True if most neighbours of a layer stand against the order of the graph, in which people read them. */
function areReversed(centres: readonly LibraryPoint[]): boolean {
  let balance = 0
  const last = new Map<number, number>()
  for (const { x, y } of centres) {
    balance += Math.sign(x - (last.get(y) ?? x))
    last.set(y, x)
  }
  return balance < 0
}
