type Side = 'up' | 'down' | 'left' | 'right'

const STEPS = { up: [0, -1], down: [0, 1], left: [-1, 0], right: [1, 0] } as const
const OPPOSITE = { up: 'down', down: 'up', left: 'right', right: 'left' } as const

const SIDES: Readonly<Record<string, readonly Side[]>> = {
  '│': ['up', 'down'],
  '─': ['left', 'right'],
  '╭': ['down', 'right'],
  '╮': ['down', 'left'],
  '╰': ['up', 'right'],
  '╯': ['up', 'left'],
  '├': ['up', 'down', 'right'],
  '┤': ['up', 'down', 'left'],
  '┬': ['down', 'left', 'right'],
  '┴': ['up', 'left', 'right'],
  '┼': ['up', 'down', 'left', 'right'],
}

/**
 * Follows lines as an eye does, from the foot of the box that bears the name to the boxes under the arrows that it gets
 * to. A line that runs into the side of a vertical one passes under it.
 */
export function reachedFrom(picture: string, name: string): Set<string> {
  const rows = picture.split('\n').map((row) => [...row])
  const at = (x: number, y: number) => rows[y]?.[x] ?? ' '
  const reached = new Set<string>()
  const seen = new Set<string>()
  const start = footOf(rows, name)
  const open: { x: number; y: number; by: Side }[] = start ? [{ ...start, by: 'down' }] : []
  for (let leg = open.pop(); leg; leg = open.pop()) {
    const [dx, dy] = STEPS[leg.by]
    const [x, y] = [leg.x + dx, leg.y + dy]
    const id = `${x} ${y} ${leg.by}`
    if (seen.has(id)) continue
    seen.add(id)
    const glyph = at(x, y)
    if (glyph === '▼') reached.add(nameUnder(rows, x, y))
    const from = OPPOSITE[leg.by]
    const sides = SIDES[glyph] ?? []
    if (glyph === '│' && !sides.includes(from)) open.push({ x, y, by: leg.by })
    else if (sides.includes(from)) {
      for (const by of sides) if (by !== from) open.push({ x, y, by })
    }
  }
  return reached
}

function footOf(rows: readonly (readonly string[])[], name: string) {
  const y = rows.findIndex((row) => row.join('').includes(`│ ${name} `))
  const x = rows[y]?.join('').indexOf(`│ ${name} `) ?? 0
  const end = rows[y + 1]?.indexOf('╯', x) ?? 0
  const foot = rows[y + 1]?.indexOf('┬', x) ?? -1
  return foot > x && foot < end ? { x: foot, y: y + 1 } : null
}

function nameUnder(rows: readonly (readonly string[])[], x: number, y: number): string {
  const row = rows[y + 2] ?? []
  const from = row.lastIndexOf('│', x - 1)
  return row
    .slice(from + 1, row.indexOf('│', x))
    .join('')
    .trim()
}
