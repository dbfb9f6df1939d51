import { describe, expect, test } from 'vitest'
import type { StopReason, StoredError } from '../../src/core/failure.ts'
import { AttemptAborted } from '../../src/worker/aborts.ts'
import { verdictOf } from '../../src/worker/admission.ts'
import {
  conditionFalse,
  decided,
  interrupted,
  notYet,
  skipped,
  stopped,
} from '../../src/worker/attempt-end.ts'

const error: StoredError = { name: 'Error', names: ['Error'], message: 'down' }
const retry = {
  action: 'retry',
  rule: 'policy',
  baseMs: 0,
  random: null,
  delayMs: 0,
  retryNumber: 1,
  maxRetries: null,
} as const

describe('verdictOf', () => {
  test.each<[StopReason, string]>([
    ['exhausted', 'failed'],
    ['elapsed', 'failed'],
    ['no_policy', 'failed'],
    ['retries_disabled', 'failed'],
    ['abort_on', 'neutral'],
    ['not_in_retry_on', 'neutral'],
    ['not_in_kinds', 'neutral'],
    ['predicate_false', 'neutral'],
    ['predicate_error', 'neutral'],
    ['non_retryable', 'neutral'],
    ['not_serializable', 'neutral'],
    ['policy_error', 'neutral'],
  ])('of a failure that is not retried for the reason %s is %s', (reason, verdict) => {
    expect(verdictOf(stopped('error', error, reason))).toBe(verdict)
  })

  test('of a failure that is retried, or timed out, is failed', () => {
    expect(verdictOf(decided('error', error, retry))).toBe('failed')
    expect(verdictOf(decided('timeout', error, retry))).toBe('failed')
  })

  test('of a success is succeeded', () => {
    const outcome = { kind: 'succeeded', result: '1' } as const
    expect(verdictOf({ outcome, failure: null, decision: null })).toBe('succeeded')
  })

  test('of an interruption, a lost lease and an attempt that did not start is neutral', () => {
    expect(verdictOf(interrupted(new AttemptAborted('shutdown', 'closing')))).toBe('neutral')
    expect(verdictOf(null)).toBe('neutral')
    const wait = { status: 'wait', waitMs: 1, waitedMs: 0, waitsFor: 'budget' } as const
    expect(verdictOf(notYet(wait))).toBe('neutral')
  })

  test('of a skip, and of a condition that is not true, is neutral', () => {
    expect(verdictOf(skipped(error))).toBe('neutral')
    expect(verdictOf(conditionFalse())).toBe('neutral')
  })
})
