import type { PreviewedRetry } from '../../strategies/preview.ts'
import { durationText } from './duration-text.ts'

const BAR_WIDTH = 30
const HEADINGS = ['retry', 'base', 'min', 'median', 'max', 'total'] as const

/**
 * A preview as a table with a plot: per retry a bar up to the median, and dots up to the largest delay, on a scale that
 * ends with the largest delay of all.
 */
export function previewTable(retries: readonly PreviewedRetry[]): string {
  if (retries.length === 0) return 'no retry'
  const longest = Math.max(...retries.map(({ maxMs }) => maxMs), 1)
  const rows = retries.map((retry) => [...cellsOf(retry), barOf(retry, longest)])
  const table: string[][] = [[...HEADINGS, `0 to ${durationText(longest)}`], ...rows]
  const widths = HEADINGS.map((_, column) =>
    Math.max(...table.map((row) => row[column]?.length ?? 0)),
  )
  return table
    .map((row) => row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  '))
    .map((line) => line.trimEnd())
    .join('\n')
}

function cellsOf({
  retryNumber,
  baseMs,
  minMs,
  medianMs,
  maxMs,
  totalMs,
}: PreviewedRetry): string[] {
  const times = [Math.round(baseMs), minMs, medianMs, maxMs, totalMs]
  return [String(retryNumber), ...times.map((ms) => durationText(ms))]
}

function barOf({ medianMs, maxMs }: PreviewedRetry, longest: number): string {
  const filled = Math.round((medianMs / longest) * BAR_WIDTH)
  const dotted = Math.round((maxMs / longest) * BAR_WIDTH)
  return '█'.repeat(filled) + '·'.repeat(Math.max(0, dotted - filled))
}
