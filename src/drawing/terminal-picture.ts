import type { Drawing } from './drawing.ts'
import { type Layout, layOut, type Point } from './layout.ts'
import { Canvas, DOWN, LEFT, RIGHT, UP } from './terminal-canvas.ts'
import { type Form, nodeRows, sizeOf } from './terminal-form.ts'
import { type Bundle, routeGap, type Wire } from './terminal-gap.ts'

/** A drawing on a grid of characters. */
export interface Picture {
  readonly canvas: Canvas
  readonly columns: number
}

/** Something in a layer that lines leave and enter: a node, or an edge on its way through. */
interface Stop {
  readonly name: string
  /** Its middle, where lines leave it. */
  readonly middle: number
  /** How far to both sides of the middle lines may enter it. */
  readonly reach: number
  readonly isNode: boolean
}

interface Leg {
  readonly layer: number
  readonly from: Stop
  readonly to: Stop
}

const SPACING = {
  down: { node: 2, edge: 2, layer: 1 },
  right: { node: 0, edge: 1, layer: 1 },
} as const

// What a gap needs besides its tracks: room for the arrow.
const ARROW = { down: 1, right: 3 } as const

/** Draws boxes and lines: layers one behind the other, and the edges between two of them as bundles of lines. */
export function drawPicture({ nodes, edges }: Drawing, form: Form): Picture {
  const rows = nodes.map((node) => nodeRows(node, form))
  const sizes = rows.map((one) => sizeOf(one, form))
  const layout = layOut(sizes, edges, SPACING[form.direction])
  const stops = layout.nodes.map((centre, index): Stop => {
    const breadth = sizes[index]?.breadth ?? 1
    const reach = form.isBoxed && nodes[index]?.shape !== 'mark' ? (breadth - 3) / 2 : 0
    return { name: `n${index}`, middle: middleOf(centre), reach, isNode: true }
  })
  const legs = legsOf({ nodes, edges, title: '' }, layout, stops)
  const grid = new Grid(form)
  let depth = 0
  for (const layer of layout.layers.keys()) {
    const indices = nodes.flatMap((_, index) =>
      layout.nodes[index]?.layer === layer ? [index] : [],
    )
    const layerDepth = Math.max(...indices.map((index) => sizes[index]?.depth ?? 0))
    const leaving = legs.filter((leg) => leg.layer === layer)
    for (const { from } of leaving) grid.through(from, depth, depth + layerDepth)
    for (const index of indices) {
      const stop = stops[index]
      const hasExit = leaving.some(({ from }) => from === stop)
      if (stop) grid.node(rows[index] ?? [], stop, depth, hasExit, nodes[index]?.state ?? null)
    }
    depth += layerDepth
    if (leaving.length > 0) depth = grid.gap(leaving, depth)
  }
  return { canvas: grid.canvas, columns: grid.columns }
}

/** Breadths are odd, so this gives each middle a cell of its own, and the same one to middles in a line. */
function middleOf({ breadth }: Point): number {
  return Math.round(breadth - 0.5)
}

/** An edge that passes several layers is a leg for each gap, with a stop in each layer between. */
function legsOf({ edges }: Drawing, layout: Layout, stops: readonly Stop[]): Leg[] {
  return edges.flatMap(({ from, to }, index) => {
    const [source, target] = [stops[from], stops[to]]
    const first = layout.nodes[from]?.layer ?? 0
    const last = layout.nodes[to]?.layer ?? 0
    if (!source || !target) return []
    const legs: Leg[] = []
    let previous = source
    for (let layer = first; layer < last; layer++) {
      const next = layer + 1 === last ? target : passing(layout, index, layer + 1)
      legs.push({ layer, from: previous, to: next })
      previous = next
    }
    return legs
  })
}

function passing({ edges, layers }: Layout, edge: number, layer: number): Stop {
  const depth = layers[layer] ?? 0
  const distance = (point: Point) => Math.abs(point.depth - depth)
  const [nearest = { breadth: 0, depth }] = [...(edges[edge] ?? [])].sort(
    (a, b) => distance(a) - distance(b),
  )
  return { name: `e${edge}`, middle: middleOf(nearest), reach: 0, isNode: false }
}

/** Puts breadth and depth on a canvas: depth goes down, or to the right. */
class Grid {
  readonly canvas = new Canvas()
  columns = 0
  readonly #form: Form

  constructor(form: Form) {
    this.#form = form
  }

  get #isDown(): boolean {
    return this.#form.direction === 'down'
  }

  /** Writes a node's rows, with a mark where lines leave its box. */
  node(
    rows: readonly string[],
    { middle }: Stop,
    depth: number,
    hasExit: boolean,
    state: Parameters<Canvas['text']>[3],
  ): void {
    const width = rows[0]?.length ?? 0
    const height = rows.length
    const [x, y] = this.#isDown
      ? [middle - Math.floor(width / 2), depth]
      : [depth, middle - Math.floor(height / 2)]
    for (const [i, row] of rows.entries()) this.canvas.text(x, y + i, row, state)
    this.columns = Math.max(this.columns, x + width)
    const isBox = rows[0]?.startsWith('╭') === true
    if (!isBox || !hasExit) return
    if (this.#isDown) this.canvas.text(middle, y + height - 1, '┬', state)
    else this.canvas.text(x + width - 1, middle, '├', state)
  }

  /** The line of a stop through its layer; boxes cover what lies below them. */
  through({ middle, name }: Stop, from: number, to: number): void {
    this.#path(
      [
        { breadth: middle, depth: from },
        { breadth: middle, depth: to - 1 },
      ],
      name,
    )
  }

  /** Draws the lines of a gap that begins at that depth, and returns where it ends. */
  gap(legs: readonly Leg[], depth: number): number {
    const wires = legs.map(({ from, to }): Wire => {
      return { source: from.name, exit: from.middle, target: to.name }
    })
    const targets = new Map(legs.map(({ to }) => [to.name, to]))
    const entrances = [...targets.values()].map(({ name, middle, reach }) => ({
      target: name,
      middle,
      reach,
    }))
    const { bundles, tracks } = routeGap(wires, entrances)
    const end = depth + tracks + ARROW[this.#form.direction]
    for (const bundle of bundles) {
      this.#bundle(bundle, depth, end)
      for (const { target, place } of bundle.entries) {
        if (targets.get(target)?.isNode) this.#arrow(place, end - 1)
      }
    }
    return end
  }

  #bundle({ name, exits, entries, track }: Bundle, depth: number, end: number): void {
    const offset = this.#isDown ? 0 : 1
    const along = depth + offset + (track ?? 0)
    const places = [...exits, ...entries.map(({ place }) => place)]
    const [from, to] = [Math.min(...places), Math.max(...places)]
    for (const exit of exits)
      this.#path(
        [
          { breadth: exit, depth: depth - 1 },
          { breadth: exit, depth: along },
        ],
        name,
      )
    this.#path(
      [
        { breadth: from, depth: along },
        { breadth: to, depth: along },
      ],
      name,
    )
    for (const { place } of entries)
      this.#path(
        [
          { breadth: place, depth: along },
          { breadth: place, depth: end },
        ],
        name,
      )
  }

  #arrow(breadth: number, depth: number): void {
    if (this.#isDown) this.canvas.text(breadth, depth, '▼', null)
    else this.canvas.text(depth, breadth, '▶', null)
  }

  /** A straight line between two places, both included. */
  #path([from, to]: readonly [Point, Point], bundle: string): void {
    const isAlong = from.breadth === to.breadth
    const length = isAlong ? to.depth - from.depth : to.breadth - from.breadth
    for (let i = 0; i < length; i++) {
      const at = (step: number): Point =>
        isAlong
          ? { breadth: from.breadth, depth: from.depth + step }
          : { breadth: from.breadth + step, depth: from.depth }
      const [before, after] = isAlong === this.#isDown ? [DOWN, UP] : [RIGHT, LEFT]
      this.#cell(at(i), before, bundle)
      this.#cell(at(i + 1), after, bundle)
    }
  }

  #cell({ breadth, depth }: Point, side: number, bundle: string): void {
    if (depth < 0) return
    const [x, y] = this.#isDown ? [breadth, depth] : [depth, breadth]
    this.canvas.line(x, y, side, bundle)
    this.columns = Math.max(this.columns, x + 1)
  }
}
