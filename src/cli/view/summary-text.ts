import type { NodeSummary, RunSummary } from '../summary.ts'
import { durationText } from './duration-text.ts'
import type { Colors } from './terminal.ts'

const HEAD = ['task', 'attempts', 'failures', 'executed', 'waited', 'state'] as const

/** A summary as text: a row for each task, what was reused, and the time saved. */
export function summaryText(summary: RunSummary, colors: Colors): string {
  const [head = '', ...rows] = table([HEAD, ...summary.nodes.map(row)])
  const after = summary.durationMs === null ? '' : ` in ${durationText(summary.durationMs)}`
  return [
    colors.bold(`Summary: ${summary.state}${after}`),
    '',
    colors.dim(head),
    ...rows,
    '',
    ...summary.reused.map(
      ({ key, executionMs, sparedBy }) =>
        `  Reused  ${key} (${durationText(executionMs)}) in ${count(sparedBy, 'retry', 'retries')}`,
    ),
    savedLine(summary, colors),
  ].join('\n')
}

function savedLine({ retries, savedMs }: RunSummary, colors: Colors): string {
  if (retries === 0) return '  Nothing had to be retried.'
  const instead = `against running the whole flow again for ${retries === 1 ? 'the retry' : `each of ${retries} retries`}`
  return `  ${colors.green(`Saved   ${durationText(savedMs)}`)} ${instead}`
}

function row(node: NodeSummary): readonly string[] {
  const failures = Object.entries(node.failures).map(([kind, times]) => `${times} ${kind}`)
  return [
    node.key,
    String(node.attempts),
    failures.join(', ') || '-',
    node.attempts === 0 ? '-' : durationText(node.executionMs),
    node.attempts < 2 ? '-' : durationText(node.waitedMs),
    node.state.replace('_', ' '),
  ]
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = HEAD.map((_, column) =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0)),
  )
  return rows.map((cells) =>
    `  ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd(),
  )
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`
}
