import { repeatedRunId } from '../core/ids.ts'
import type { Rerun } from '../core/lineage.ts'

/** Writes indices, as ranges (`0-3,7`), or as all but others (`!5`), whichever is shorter. */
export function formatIndices(indices: readonly number[], others: readonly number[]): string {
  const [held, left] = [rangesOf(indices), rangesOf(others)]
  return held.length <= left.length + 1 ? held : `!${left}`
}

function rangesOf(indices: readonly number[]): string {
  const ranges: [number, number][] = []
  for (const index of indices.toSorted((a, b) => a - b)) {
    const last = ranges.at(-1)
    if (last && last[1] === index - 1) last[1] = index
    else ranges.push([index, index])
  }
  return ranges.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join(',')
}

/** True if what {@link formatIndices} wrote holds the index. */
export function holdsIndex(text: string, index: number): boolean {
  return text.startsWith('!') ? !isInRanges(text.slice(1), index) : isInRanges(text, index)
}

function isInRanges(ranges: string, index: number): boolean {
  if (ranges === '') return false
  return ranges.split(',').some((range) => {
    const [from = '', to = from] = range.split('-')
    return Number(from) <= index && index <= Number(to)
  })
}

/**
 * The run as which a node's work is known outside: the first that was to do it. Retries and reruns do the same work; a node
 * that had succeeded and that a person had executed again does new work, since the run in which it was.
 */
export function workRunOf(runId: string, index: number, rerun: Rerun | undefined): string {
  if (!rerun) return runId
  const repeated = rerun.repeated?.findLast(({ nodes }) => holdsIndex(nodes, index))
  return repeated?.run ?? firstOf(runId)
}

function firstOf(runId: string): string {
  const before = repeatedRunId(runId)
  return before === null ? runId : firstOf(before)
}
