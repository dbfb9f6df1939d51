import { describe, expect, test } from 'vitest'
import { decisionText, errorText, failureText } from '../../../src/cli/view/failure-text.ts'
import type { RecordedDecision } from '../../../src/core/failure.ts'
import { attempt } from '../snapshots.ts'

const retry = {
  action: 'retry',
  rule: 'policy',
  baseMs: 2_000,
  random: null,
  delayMs: 1_300,
  retryNumber: 2,
  maxRetries: 5,
} as const satisfies RecordedDecision

describe('decisionText', () => {
  test.each<[string, RecordedDecision, string]>([
    ['by a policy', retry, 'retry 2 of 5 in 1.3s: policy, base 2s'],
    [
      'by a policy with jitter',
      { ...retry, random: 0.654 },
      'retry 2 of 5 in 1.3s: policy, base 2s, draw 0.65',
    ],
    ['without limit', { ...retry, maxRetries: null }, 'retry 2 in 1.3s: policy, base 2s'],
    [
      'by the error',
      { ...retry, rule: 'retry_requested', delayMs: 0 },
      'retry 2 of 5 at once: the error asked for it',
    ],
    [
      'after a crash',
      { ...retry, rule: 'crash', delayMs: 0 },
      'again at once: its worker was lost',
    ],
    ['a stop', { action: 'stop', reason: 'no_handler' }, 'no retry: no_handler'],
    [
      'a stop with a detail',
      { action: 'stop', reason: 'exhausted', detail: '5 of 5 retries used' },
      'no retry: exhausted (5 of 5 retries used)',
    ],
  ])('%s', (_name, decision, text) => {
    expect(decisionText(decision)).toBe(text)
  })
})

describe('errorText', () => {
  test('is one line', () => {
    expect(errorText({ name: 'E', names: [], message: 'a\n  b' })).toBe('E: a b')
  })

  test('shows what is below a RetryRequested', () => {
    const cause = { name: 'HttpError', names: [], message: '503' }
    expect(errorText({ name: 'RetryRequested', names: [], message: '503', cause })).toBe(
      'HttpError: 503',
    )
  })
})

describe('failureText', () => {
  test('names a kind that is no error', () => {
    expect(failureText(attempt(1, 0, 1, 'timeout'))).toBe(
      'timeout: HttpError: 503 Service Unavailable',
    )
  })
})
