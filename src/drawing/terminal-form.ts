import type { DrawnNode } from './drawing.ts'
import type { Size } from './layout.ts'
import { truncate } from './truncate.ts'

/** A way to draw on a terminal: where the graph flows to, and whether tasks have boxes of several lines or one line. */
export interface Form {
  readonly direction: 'down' | 'right'
  readonly isBoxed: boolean
}

const MAX_CHARACTERS = 30
// More boxes than these are more than a screen, one upon the other.
const MAX_STACKED_BOXES = 30

/** The forms that suit that many nodes, the best first. */
export function formsFor(nodes: number): Form[] {
  return [
    { direction: 'down', isBoxed: true },
    ...(nodes > MAX_STACKED_BOXES ? [] : [{ direction: 'right', isBoxed: true } as const]),
    { direction: 'right', isBoxed: false },
  ]
}

/** A node as rows of characters, all of one width. */
export function nodeRows({ lines, shape }: DrawnNode, { isBoxed }: Form): string[] {
  if (!isBoxed) return [` ${textOf(lines.join('  '), shape)} `]
  if (shape === 'mark')
    return padded(lines.map((line, i) => ` ${i === 0 ? textOf(line, shape) : short(line)} `))
  const texts = padded(lines.map(short))
  const line = '─'.repeat((texts[0]?.length ?? 0) + 2)
  return [`╭${line}╮`, ...texts.map((text) => `│ ${text} │`), `╰${line}╯`]
}

/** The room of such rows. Its breadth is odd, so that it has a middle. */
export function sizeOf(rows: readonly string[], { direction }: Form): Size {
  const width = rows[0]?.length ?? 0
  const size =
    direction === 'down'
      ? { breadth: width, depth: rows.length }
      : { breadth: rows.length, depth: width }
  return { ...size, breadth: size.breadth + 1 - (size.breadth % 2) }
}

function textOf(text: string, shape: DrawnNode['shape']): string {
  return shape === 'mark' ? `◇ ${short(text)}` : `${short(text)}`
}

function short(text: string): string {
  return truncate(text, MAX_CHARACTERS)
}

function padded(lines: readonly string[]): string[] {
  const longest = Math.max(...lines.map((line) => line.length))
  // An odd width, whatever stands around it.
  const width = longest + 1 - (longest % 2)
  return lines.map((line) => line.padEnd(width))
}
