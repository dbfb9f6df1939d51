import cliTruncate from 'cli-truncate'
import type { NodeSnapshot, RunSnapshot } from '../../coordinator/run-snapshot.ts'
import { isFinalNodeState } from '../../core/states.ts'
import { isWorkNode } from '../../flow/graph.ts'
import { failureText } from './failure-text.ts'
import { type FrameTime, headLine, keyWidthOf, nodeLine } from './node-line.ts'
import type { Colors, Terminal } from './terminal.ts'

const BAR_WIDTH = 30
// The head, the bar, the empty lines between, and the line of the cursor.
const OTHER_ROWS = 7

/** The picture of a run: a line for each node that workers execute, its last error while it retries, and the progress. */
export function drawRun(run: RunSnapshot, time: FrameTime, terminal: Terminal): string {
  const { colors, columns } = terminal
  const nodes = run.nodes.filter(isWorkNode)
  const shown = chooseNodes(nodes, Math.max(1, terminal.rows - OTHER_ROWS))
  const keyWidth = keyWidthOf(shown)
  const hidden = nodes.length - shown.length
  const lines = [
    headLine(run, time.now, colors),
    '',
    ...shown.flatMap((node) => nodeLines(node, keyWidth, time, colors)),
    ...(hidden === 0 ? [] : [colors.dim(`  … and ${hidden} more`)]),
    '',
    progressLine(nodes, colors),
  ]
  return lines.map((line) => cliTruncate(line, columns)).join('\n')
}

function nodeLines(
  node: NodeSnapshot,
  keyWidth: number,
  time: FrameTime,
  colors: Colors,
): string[] {
  const line = nodeLine(node, keyWidth, time, colors)
  const last = node.log.at(-1)
  const showsError = last && (node.state === 'retrying' || node.state === 'failed')
  return showsError ? [line, colors.dim(`      ${failureText(last)}`)] : [line]
}

function progressLine(nodes: readonly NodeSnapshot[], colors: Colors): string {
  const done = nodes.filter((node) => isFinalNodeState(node.state)).length
  const filled = nodes.length === 0 ? 0 : Math.round((BAR_WIDTH * done) / nodes.length)
  const bar = colors.green('█'.repeat(filled)) + colors.dim('░'.repeat(BAR_WIDTH - filled))
  return ` ${bar}  ${done} of ${nodes.length} done`
}

/** Where not all fit: those that something happens to, then those that wait, then the final ones; in the graph's order. */
function chooseNodes(nodes: readonly NodeSnapshot[], rows: number): readonly NodeSnapshot[] {
  // A retrying or failed node takes a second line.
  const size = (node: NodeSnapshot) => (node.log.length > 0 ? 2 : 1)
  const chosen = new Set<NodeSnapshot>()
  let left = rows
  for (const node of [...nodes].sort((a, b) => interest(b) - interest(a))) {
    left -= size(node)
    if (left < 0) break
    chosen.add(node)
  }
  return nodes.filter((node) => chosen.has(node))
}

function interest({ state }: NodeSnapshot): number {
  if (state === 'running' || state === 'retrying' || state === 'failed') return 2
  return isFinalNodeState(state) ? 0 : 1
}
