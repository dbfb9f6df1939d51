import type { LoggedAttempt } from '../../coordinator/run-record.ts'
import type { RecordedDecision, StoredError } from '../../core/failure.ts'
import { durationText } from './duration-text.ts'

type RetryDecision = Extract<RecordedDecision, { action: 'retry' }>

/** An error in one line. A `RetryRequested` is shown as the error underneath. */
export function errorText(error: StoredError): string {
  const shown = error.name === 'RetryRequested' && error.cause ? error.cause : error
  return `${shown.name}: ${shown.message}`.replace(/\s+/g, ' ').trim()
}

/** Why an attempt ended badly: its error, and its kind where that is another. */
export function failureText({ kind, error }: Pick<LoggedAttempt, 'kind' | 'error'>): string {
  if (error === null) return kind
  return kind === 'error' ? errorText(error) : `${kind}: ${errorText(error)}`
}

/** A decision in one line, such as `retry 2 of 5 in 1.3s: policy, base 2s, draw 0.65`. */
export function decisionText(decision: RecordedDecision): string {
  if (decision.action === 'stop') {
    const detail = decision.detail === undefined ? '' : ` (${decision.detail})`
    return `no retry: ${decision.reason}${detail}`
  }
  return `${retryNumberText(decision)} ${whenText(decision.delayMs)}: ${ruleText(decision)}`
}

function retryNumberText({ rule, retryNumber, maxRetries }: RetryDecision): string {
  if (rule === 'crash' || rule === 'interrupted') return 'again'
  return maxRetries === null ? `retry ${retryNumber}` : `retry ${retryNumber} of ${maxRetries}`
}

function whenText(delayMs: number): string {
  return delayMs === 0 ? 'at once' : `in ${durationText(delayMs)}`
}

function ruleText({ rule, baseMs, random }: RetryDecision): string {
  switch (rule) {
    case 'policy': {
      const draw = random === null ? '' : `, draw ${random.toFixed(2)}`
      return `policy, base ${durationText(baseMs)}${draw}`
    }
    case 'retry_requested':
      return 'the error asked for it'
    case 'crash':
      return 'its worker was lost'
    case 'interrupted':
      return 'its worker was shut down'
  }
}
