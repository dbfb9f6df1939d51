import cliTruncate from 'cli-truncate'
import type { NodeSnapshot, RunSnapshot } from '../../coordinator/run-snapshot.ts'
import { durationText } from './duration-text.ts'
import { attemptsText, colorByState, stateSymbol, stateText } from './node-state.ts'
import type { Colors } from './terminal.ts'

/** When a picture is drawn: epoch ms, and its number, which turns the spinners. */
export interface FrameTime {
  readonly now: number
  readonly frame: number
}

const MAX_KEY_WIDTH = 32
const ATTEMPTS_WIDTH = 5
const STATE_WIDTH = 18

/** How wide the column of the keys must be. */
export function keyWidthOf(nodes: readonly NodeSnapshot[]): number {
  return Math.min(MAX_KEY_WIDTH, Math.max(0, ...nodes.map((node) => node.key.length)))
}

/** A run's flow, id, state and length in one line. */
export function headLine(run: RunSnapshot, now: number, colors: Colors): string {
  const time = durationText((run.endedAt ?? now) - run.openedAt)
  return `${colors.bold(run.flow)}  ${colors.dim(run.id)}  ${run.state}  ${time}`
}

/** A node in one line: symbol, key, attempts, state and the time of its last attempt or of its wait, in columns. */
export function nodeLine(
  node: NodeSnapshot,
  keyWidth: number,
  { now, frame }: FrameTime,
  colors: Colors,
): string {
  const paint = (text: string) => colorByState(colors, node.state, text)
  const state = stateText(node, now)
  const time = runTime(node, now)
  const columns = [
    ` ${paint(stateSymbol(node.state, frame))}`,
    cliTruncate(node.key, keyWidth).padEnd(keyWidth),
    attemptsText(node).padStart(ATTEMPTS_WIDTH),
    ...(time === '' ? [paint(state)] : [paint(state.padEnd(STATE_WIDTH)), colors.dim(time)]),
  ]
  return columns.join('  ')
}

function runTime({ startedAt, endedAt, state, waitingSince }: NodeSnapshot, now: number): string {
  if (waitingSince !== null) return durationText(now - waitingSince)
  if (startedAt === null) return ''
  if (state === 'running') return durationText(now - startedAt)
  return endedAt === null ? '' : durationText(endedAt - startedAt)
}
