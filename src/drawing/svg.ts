import { RepriseError } from '../core/errors.ts'
import type { Drawing, DrawnNode } from './drawing.ts'
import { type Layout, layOut, MAX_LAID_OUT_NODES, type Point, type Size } from './layout.ts'
import { PLAIN_COLORS, STATE_COLORS } from './state-colors.ts'
import { truncate } from './truncate.ts'

// The font is of fixed width, so the size of a text is known without measuring it. All in px.
const FONT_SIZE = 13
const CHARACTER = 7.9
const LINE = 18
const PADDING = 10
const MARGIN = 20
const TITLE = 34
const MAX_CHARACTERS = 40
const SPACING = { node: 24, edge: 16, layer: 44 } as const
// A drawing that is broader than this flows from left to right if that makes it narrower.
const MAX_BREADTH = 1_600

type Direction = 'down' | 'right'

/**
 * The drawing as an SVG document.
 *
 * @throws RepriseError (`options`) for more nodes than can be laid out
 */
export function renderSvg(drawing: Drawing): string {
  if (drawing.nodes.length > MAX_LAID_OUT_NODES) {
    throw new RepriseError(
      'options',
      `expected at most ${MAX_LAID_OUT_NODES} nodes for an SVG, got ${drawing.nodes.length}. Use the format terminal, which lists them, or mermaid`,
    )
  }
  const { layout, direction } = chooseLayout(drawing)
  const place = (point: Point) => (direction === 'down' ? point : swap(point))
  const { breadth, depth } = place(layout)
  const width = Math.ceil(Math.max(breadth, drawing.title.length * CHARACTER) + 2 * MARGIN)
  const height = Math.ceil(depth + 2 * MARGIN + TITLE)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="ui-monospace, 'Liberation Mono', Menlo, Consolas, monospace" font-size="${FONT_SIZE}">`,
    `<title>${escapeXml(drawing.title)}</title>`,
    '<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 1 10 5 0 9z" fill="#6b7280"/></marker></defs>',
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    `<text x="${MARGIN}" y="${MARGIN + FONT_SIZE}" font-weight="bold" fill="#111827">${escapeXml(drawing.title)}</text>`,
    `<g transform="translate(${MARGIN} ${MARGIN + TITLE})">`,
    ...layout.edges.map((points, index) =>
      edgeElement(points.map(place), drawing.edges[index]?.isFailure === true),
    ),
    ...drawing.nodes.map((node, index) =>
      nodeElement(node, place(layout.nodes[index] ?? { breadth: 0, depth: 0 })),
    ),
    '</g>',
    '</svg>',
  ].join('\n')
}

function chooseLayout({ nodes, edges }: Drawing): { layout: Layout; direction: Direction } {
  const sizes = nodes.map(sizeOf)
  const down = layOut(sizes, edges, SPACING)
  if (down.breadth <= MAX_BREADTH) return { layout: down, direction: 'down' }
  const right = layOut(sizes.map(swap), edges, SPACING)
  return right.depth < down.breadth
    ? { layout: right, direction: 'right' }
    : { layout: down, direction: 'down' }
}

function swap({ breadth, depth }: Point): Point {
  return { breadth: depth, depth: breadth }
}

function sizeOf({ lines }: DrawnNode): Size {
  const characters = Math.min(MAX_CHARACTERS, Math.max(...lines.map((line) => line.length)))
  return {
    breadth: Math.ceil(characters * CHARACTER) + 2 * PADDING,
    depth: lines.length * LINE + 2 * PADDING - 4,
  }
}

/** A line through its points, with rounded corners: it bends from the middle of each leg to the middle of the next. */
function edgeElement(points: readonly Point[], isFailure: boolean): string {
  const [first, ...others] = points
  const last = others.pop()
  if (!first || !last) return ''
  const bends = others.map((point, i) => {
    const next = others[i + 1]
    return next ? `Q${at(point)} ${at(middle(point, next))}` : `Q${at(point)} ${at(last)}`
  })
  const path = bends.length === 0 ? `M${at(first)}L${at(last)}` : `M${at(first)}${bends.join('')}`
  const dashes = isFailure ? ' stroke-dasharray="5 4"' : ''
  return `<path d="${path}" fill="none" stroke="#6b7280" stroke-width="1.3"${dashes} marker-end="url(#arrow)"/>`
}

function at({ breadth, depth }: Point): string {
  return `${round(breadth)} ${round(depth)}`
}

function middle(a: Point, b: Point): Point {
  return { breadth: (a.breadth + b.breadth) / 2, depth: (a.depth + b.depth) / 2 }
}

function nodeElement(node: DrawnNode, { breadth: x, depth: y }: Point): string {
  const { breadth: width, depth: height } = sizeOf(node)
  const { fill, line, text } = node.state === null ? PLAIN_COLORS : STATE_COLORS[node.state]
  const radius = node.shape !== 'mark' ? 6 : height / 2
  const dashes = node.shape !== 'mark' ? '' : ' stroke-dasharray="3 3"'
  const top = y - height / 2 + PADDING - 2
  const lines = node.lines.map((text, i) => {
    const weight = i === 0 && node.shape !== 'mark' ? ' font-weight="bold"' : ''
    return `<tspan x="${round(x)}" y="${round(top + i * LINE + FONT_SIZE)}"${weight}>${escapeXml(truncate(text, MAX_CHARACTERS))}</tspan>`
  })
  return [
    `<g><title>${escapeXml([node.key, ...node.lines.slice(1)].join('\n'))}</title>`,
    `<rect x="${round(x - width / 2)}" y="${round(y - height / 2)}" width="${width}" height="${height}" rx="${radius}" fill="${fill}" stroke="${line}" stroke-width="1.3"${dashes}/>`,
    `<text text-anchor="middle" fill="${text}">${lines.join('')}</text></g>`,
  ].join('')
}

function round(number: number): number {
  return Math.round(number * 10) / 10
}

function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
