import type { Drawing } from './drawing.ts'
import { MAX_LAID_OUT_NODES } from './layout.ts'
import type { Paint } from './terminal-canvas.ts'
import { formsFor } from './terminal-form.ts'
import { drawPicture } from './terminal-picture.ts'
import { truncate } from './truncate.ts'

/** What a drawing is shown on. */
export interface Screen {
  readonly columns: number
  readonly paint: Paint
}

/** The drawing as text: boxes and lines in the first form that fits, else a list. */
export function renderTerminal(drawing: Drawing, screen: Screen): string {
  return `${drawing.title}\n\n${pictureText(drawing, screen) ?? listText(drawing, screen)}`
}

function pictureText(drawing: Drawing, { columns, paint }: Screen): string | null {
  if (drawing.nodes.length > MAX_LAID_OUT_NODES) return null
  for (const form of formsFor(drawing.nodes.length)) {
    const picture = drawPicture(drawing, form)
    if (picture.columns <= columns) return picture.canvas.toString(paint)
  }
  return null
}

/** A line for each node, and under it what it waits for. */
function listText({ nodes, edges }: Drawing, { columns, paint }: Screen): string {
  const upstreams = nodes.map((): string[] => [])
  for (const { from, to } of edges) upstreams[to]?.push(nodes[from]?.lines[0] ?? '')
  return nodes
    .flatMap(({ lines, shape, state }, index) => {
      const name = shape === 'mark' ? `◇ ${lines[0]}` : lines[0]
      const line = truncate([name, ...lines.slice(1)].join('  '), columns)
      const after = upstreams[index]?.join(', ') ?? ''
      return [paint(state, line), ...(after === '' ? [] : [truncate(`  ← ${after}`, columns)])]
    })
    .join('\n')
}
