import type { NodeState } from '../core/states.ts'

/** The sides of a cell that a line leaves by, as bits. */
export const UP = 1
export const DOWN = 2
export const LEFT = 4
export const RIGHT = 8

/** Colours a text by a node's state, or leaves it as it is; null: the text belongs to no node. */
export type Paint = (state: NodeState | null, text: string) => string

// By the bits of the sides.
const LINES = ' │││─╯╮┤─╰╭├─┴┬┼'
const VERTICAL = UP + DOWN
const HORIZONTAL = LEFT + RIGHT

interface Cell {
  character: string
  state: NodeState | null
  /** Per bundle of lines, the sides that its lines leave by. */
  readonly sides: Map<string, number>
}

/** Characters on a grid. Texts cover lines; lines that belong together join where they meet, others cross. */
export class Canvas {
  readonly #rows: Cell[][] = []

  /** Adds sides to the line of a bundle that passes a cell. */
  line(x: number, y: number, sides: number, bundle: string): void {
    const cell = this.#cell(x, y)
    cell.sides.set(bundle, (cell.sides.get(bundle) ?? 0) | sides)
  }

  /** Writes a text from a cell to the right. */
  text(x: number, y: number, text: string, state: NodeState | null): void {
    for (const [i, character] of [...text].entries()) {
      Object.assign(this.#cell(x + i, y), { character, state })
    }
  }

  /** All rows, without spaces at their ends. */
  toString(paint: Paint): string {
    return this.#rows.map((row) => rowText(row, paint)).join('\n')
  }

  #cell(x: number, y: number): Cell {
    for (let i = this.#rows.length; i <= y; i++) this.#rows.push([])
    const row = this.#rows[y] ?? []
    for (let i = row.length; i <= x; i++) row.push({ character: '', state: null, sides: new Map() })
    return row[x] ?? { character: '', state: null, sides: new Map() }
  }
}

function rowText(row: readonly Cell[], paint: Paint): string {
  const end = row.findLastIndex((cell) => glyphOf(cell) !== ' ') + 1
  let text = ''
  for (let from = 0; from < end; ) {
    const { state } = row[from] ?? { state: null }
    let to = from
    while (to < end && (row[to]?.state ?? null) === state) to += 1
    text += paint(state, row.slice(from, to).map(glyphOf).join(''))
    from = to
  }
  return text
}

function glyphOf({ character, sides }: Cell): string {
  if (character !== '') return character
  const all = [...sides.values()]
  const together = all.reduce((sum, one) => sum | one, 0)
  const areCrossing = all.every((one) => one === VERTICAL || one === HORIZONTAL)
  // The horizontal line passes under the vertical one.
  if (areCrossing && together === VERTICAL + HORIZONTAL) return '│'
  return LINES[together] ?? ' '
}
