import type { RunEvent } from '../../producer/run-events.ts'
import { durationText } from './duration-text.ts'
import { decisionText, failureText } from './failure-text.ts'

/**
 * An event as one line.
 *
 * @param openedAt when the run was opened, epoch ms: times are shown from there
 */
export function eventLine(event: RunEvent, openedAt: number): string {
  const seconds = ((event.at - openedAt) / 1_000).toFixed(2)
  return `${`+${seconds}s`.padStart(9)}  ${storyOf(event, openedAt)}`
}

function storyOf(event: RunEvent, openedAt: number): string {
  switch (event.type) {
    case 'run.opened':
      return 'run opened'
    case 'run.ended':
      return `run ${event.state} after ${durationText(event.at - openedAt)}`
    case 'attempt.started':
      return `${event.node}: attempt ${event.attempt} started`
    case 'attempt.failed': {
      const decision = event.decision ? `; ${decisionText(event.decision)}` : ''
      return `${event.node}: attempt ${event.attempt} failed: ${failureText(event)}${decision}`
    }
    case 'node.waiting':
      return `${event.node}: waits for run ${event.childRun}`
    case 'node.retried':
      return `${event.node}: retried by hand`
    default:
      return `${event.node}: ${event.type.slice('node.'.length).replace('_', ' ')}`
  }
}
