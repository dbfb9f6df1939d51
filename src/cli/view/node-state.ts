import type { NodeSnapshot } from '../../coordinator/run-snapshot.ts'
import type { NodeState } from '../../core/states.ts'
import { countdownText } from './duration-text.ts'
import type { Colors } from './terminal.ts'

type Color = keyof Pick<Colors, 'green' | 'red' | 'yellow' | 'cyan' | 'dim'>

const SYMBOLS: Readonly<Record<NodeState, { readonly symbol: string; readonly color: Color }>> = {
  pending: { symbol: '·', color: 'dim' },
  ready: { symbol: '›', color: 'cyan' },
  running: { symbol: '●', color: 'cyan' },
  retrying: { symbol: '↻', color: 'yellow' },
  waiting: { symbol: '⧗', color: 'yellow' },
  succeeded: { symbol: '✔', color: 'green' },
  failed: { symbol: '✖', color: 'red' },
  skipped: { symbol: '-', color: 'dim' },
  upstream_failed: { symbol: '✖', color: 'red' },
  cancelled: { symbol: '■', color: 'red' },
}

const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'] as const

/** The symbol of a node's state; that of a running one turns with `frame`, if there is one. */
export function stateSymbol(state: NodeState, frame: number | null = null): string {
  return state === 'running' && frame !== null
    ? (SPINNER[frame % SPINNER.length] ?? SPINNER[0])
    : SYMBOLS[state].symbol
}

/** Colours a text by a node's state. */
export function colorByState(colors: Colors, state: NodeState, text: string): string {
  return colors[SYMBOLS[state].color](text)
}

/** A node's state in words, with the time left where it waits for a time. */
export function stateText(node: NodeSnapshot, now: number): string {
  const left = node.dueAt === null ? null : node.dueAt - now
  if (node.state === 'retrying')
    return left === null ? 'retrying' : `retry in ${countdownText(left)}`
  if (node.state === 'waiting') return waitingText(node, left)
  if (node.state === 'upstream_failed') return `upstream failed (${causesText(node)})`
  if (node.skipReason !== null) return `skipped (${node.skipReason.replaceAll('_', ' ')})`
  return [
    node.state,
    ...(node.forgiven ? ['forgiven'] : []),
    ...(node.reused ? ['reused'] : []),
  ].join(', ')
}

const MAX_CAUSES = 3

function causesText({ causes, causedBy }: NodeSnapshot): string {
  if (causes.length === 0) return causedBy ?? 'unknown'
  const shown = causes.slice(0, MAX_CAUSES).join(', ')
  return causes.length > MAX_CAUSES ? `${shown}, ${causes.length - MAX_CAUSES} more` : shown
}

function waitingText(
  { waitingFor: cause, waitingForRun, waitingForLock }: NodeSnapshot,
  left: number | null,
): string {
  if (waitingForRun !== null) return `waits for child ${waitingForRun}`
  if (waitingForLock !== null) return `waits for lock ${waitingForLock}`
  if (cause === 'no_handler') return 'no worker knows it'
  if (cause === 'budget' || cause === 'breaker') return `waits for ${cause}`
  return left === null ? 'waiting' : `starts in ${countdownText(left)}`
}

/** The attempts so far and, once a decision has told it, how many there can be: `2/6`. */
export function attemptsText(node: NodeSnapshot): string {
  if (node.attempts === 0) return ''
  const decisions = node.log.map((entry) => entry.decision)
  const last = decisions.findLast((decision) => decision?.action === 'retry')
  const maxRetries = last?.action === 'retry' ? last.maxRetries : null
  return maxRetries === null ? String(node.attempts) : `${node.attempts}/${maxRetries + 1}`
}
