import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { type RecordedDecision, storeError } from '../../src/core/failure.ts'
import { type DecideInput, decideRetry } from '../../src/strategies/decide.ts'
import { drawFor } from '../../src/strategies/draw.ts'
import { policy } from '../../src/strategies/policy.ts'
import type { FailureFacts } from '../../src/strategies/policy-failure.ts'
import type { ExponentialOptions } from '../../src/strategies/policy-options.ts'
import { type DelayPolicy, POLICY, type Policy } from '../../src/strategies/policy-types.ts'
import { MAX_HONORED_DELAY_MS } from '../../src/strategies/rules.ts'
import { toPolicy } from '../../src/strategies/shorthand.ts'
import { NonRetryable, RetryRequested } from '../../src/strategies/signals.ts'
import { arbitraryRetryingPolicy } from './arbitrary-policy.ts'
import { failedAttempt, HttpError, NOW } from './failed-attempt.ts'

interface Situation {
  readonly options?: ExponentialOptions
  readonly input?: Partial<DecideInput>
  readonly facts?: Partial<FailureFacts>
}

const refusing = { ...storeError(new HttpError(503)), retryable: false }

// One situation a rule, in the order of the rules.
const RULES: readonly (readonly [name: string, situation: Situation])[] = [
  ['retries_disabled', { input: { retries: 'off' } }],
  ['non_retryable', { facts: { error: refusing } }],
  ['retry_requested', { input: { thrown: new RetryRequested({ maxRetries: 9 }) } }],
  ['abort_on', { options: { abortOn: ['HttpError'] } }],
  ['not_in_retry_on', { options: { retryOn: ['TypeError'] } }],
  ['not_in_kinds', { options: { kinds: ['timeout'] } }],
  ['exhausted', { options: { maxRetries: 3 }, input: { retriesUsed: 3 } }],
  ['elapsed', { options: { maxElapsed: 50 } }],
  ['predicate_false', { options: { when: () => false } }],
]

const PAIRS = RULES.flatMap(([first, one], i) =>
  RULES.slice(i + 1).map(([second, other]) => [first, second, one, other] as const),
)

describe('decideRetry', () => {
  test.each(RULES)('%s applies alone', async (name, situation) => {
    expect(nameOf(await decideRetry(attemptIn(situation)))).toBe(name)
  })

  test.each(PAIRS)('%s comes before %s', async (first, second, one, other) => {
    // A request for a retry beats the policy, but not its maxElapsed.
    const expected = first === 'retry_requested' && second === 'elapsed' ? 'elapsed' : first
    expect(nameOf(await decideRetry(attemptIn(one, other)))).toBe(expected)
  })

  test.each<[string, DecideInput, object]>([
    [
      'nothing is configured',
      failedAttempt(null),
      { reason: 'no_policy', detail: 'no retry policy is set' },
    ],
    [
      'the policy is none',
      failedAttempt(policy.none()),
      { reason: 'exhausted', detail: '0 of 0 retries used' },
    ],
    [
      'the limit is 0',
      failedAttempt(toPolicy(0)),
      { reason: 'exhausted', detail: '0 of 0 retries used' },
    ],
    [
      'all retries are used',
      failedAttempt(toPolicy(5), { retriesUsed: 5 }),
      { reason: 'exhausted', detail: '5 of 5 retries used' },
    ],
    [
      'retries are switched off',
      failedAttempt(toPolicy(5), { retries: 'off' }),
      { reason: 'retries_disabled', detail: "retries: 'off'" },
    ],
    [
      'the handler threw NonRetryable',
      failedAttempt(
        toPolicy(5),
        { thrown: new NonRetryable('no') },
        { error: storeError(new NonRetryable('no')) },
      ),
      { reason: 'non_retryable', detail: 'NonRetryable asks for no retry' },
    ],
    [
      'a frozen NonRetryable of another copy was thrown',
      failedAttempt(toPolicy(5), {
        thrown: Object.freeze({ [Symbol.for('reprise.non_retryable')]: true }),
      }),
      { reason: 'non_retryable' },
    ],
    [
      'abortOn has the class',
      failedAttempt(policy.exponential({ abortOn: [TypeError, HttpError], retryOn: [HttpError] })),
      { reason: 'abort_on', detail: 'abortOn has HttpError' },
    ],
    [
      'retryOn has nothing that matches',
      failedAttempt(policy.exponential({ retryOn: ['ECONNRESET', 429] })),
      {
        reason: 'not_in_retry_on',
        detail: 'HttpError matches nothing in retryOn: ECONNRESET, 429',
      },
    ],
    [
      'kinds lack this one',
      failedAttempt(policy.exponential({ kinds: ['error', 'crash'] }), {}, { kind: 'timeout' }),
      { reason: 'not_in_kinds', detail: 'timeout is not in kinds: error, crash' },
    ],
    [
      'the retry would start too late',
      failedAttempt(policy.constant({ delay: 1000, maxElapsed: 1099 })),
      {
        reason: 'elapsed',
        detail: 'the retry would start 1100 ms after the first start, maxElapsed is 1099 ms',
      },
    ],
    [
      'the predicate says no',
      failedAttempt(policy.exponential({ when: () => false })),
      { reason: 'predicate_false', detail: 'when(failure) gave false' },
    ],
    [
      'the random source is broken',
      failedAttempt(toPolicy(5), { random: () => 1 }),
      { reason: 'policy_error', detail: 'RangeError: random: expected a number in [0, 1), got 1' },
    ],
  ])('stops when %s', (_name, input, expected) => {
    expect(decideRetry(input)).toMatchObject({ action: 'stop', ...expected })
  })

  test('records how the delay came about', () => {
    const input = failedAttempt(policy.exponential({ maxRetries: 5 }), { retriesUsed: 2 })
    expect(decideRetry(input)).toEqual({
      action: 'retry',
      rule: 'policy',
      baseMs: 4000,
      random: 0.5,
      jitteredMs: 2000,
      delayMs: 2000,
      retryNumber: 3,
      maxRetries: 5,
    })
  })

  test('draws nothing where no jitter needs it', () => {
    const random = vi.fn(() => 0.5)
    const decision = decideRetry(failedAttempt(policy.constant({ delay: 7 }), { random }))
    expect(decision).toMatchObject({ random: null, delayMs: 7 })
    expect(random).not.toHaveBeenCalled()
  })

  test('retries up to the last moment that maxElapsed allows', () => {
    const made = policy.constant({ delay: 1000, maxElapsed: 1100 })
    expect(decideRetry(failedAttempt(made))).toMatchObject({ action: 'retry' })
  })

  test('gives no extra time when the clock went backwards', () => {
    const made = policy.constant({ delay: 12, maxElapsed: 10 })
    const input = failedAttempt(made, {}, { firstStartedAt: NOW + 5 })
    expect(decideRetry(input)).toMatchObject({ reason: 'elapsed' })
  })

  test.each([
    ['never fails', 0, 1],
    ['has one retry', 1, 2],
    ['has five retries', 5, 6],
  ])('a task that %s runs as often as Procrastinate runs it', (_name, maxRetries, executions) => {
    const made = toPolicy(maxRetries)
    let retriesUsed = 0
    while (decisionOf(failedAttempt(made, { retriesUsed })).action === 'retry') retriesUsed++
    expect(1 + retriesUsed).toBe(executions)
  })

  test('gives a whole number of ms in [0, maxDelay] for any policy', () => {
    const retries = fc.integer({ min: 0, max: 9_999 })
    fc.assert(
      fc.property(arbitraryRetryingPolicy, retries, (made, retriesUsed) => {
        const random = () => drawFor('0-a', 'ping', retriesUsed + 1)
        const decision = decisionOf(failedAttempt(made, { retriesUsed, random }))
        if (decision.action === 'stop') return
        expect(Number.isInteger(decision.delayMs)).toBe(true)
        expect(decision.delayMs).toBeGreaterThanOrEqual(0)
        expect(decision.delayMs).toBeLessThanOrEqual(maxDelayOf(made))
        expect(decision.retryNumber).toBe(retriesUsed + 1)
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('decideRetry, when the handler throws RetryRequested', () => {
  const cause = new HttpError(429)

  test.each<[string, RetryRequested, number]>([
    ['at once', new RetryRequested({ cause }), 0],
    ['after a delay', new RetryRequested({ delay: '2s' }), 2_000],
    ['at a time', new RetryRequested({ at: new Date(NOW + 1_500) }), 1_500],
    ['at a time that has passed', new RetryRequested({ at: new Date(NOW - 1) }), 0],
    ['after 24 h at most', new RetryRequested({ delay: '30d' }), MAX_HONORED_DELAY_MS],
    ['in 24 h at most', new RetryRequested({ at: new Date(NOW + 1e12) }), MAX_HONORED_DELAY_MS],
  ])('retries %s', (_name, thrown, delayMs) => {
    expect(decideRetry(failedAttempt(null, { thrown }))).toEqual({
      action: 'retry',
      rule: 'retry_requested',
      baseMs: delayMs,
      random: null,
      delayMs,
      retryNumber: 1,
      maxRetries: 1,
    })
  })

  test.each([
    ['by default once', new RetryRequested(), 2],
    ['three times', new RetryRequested({ maxRetries: 3 }), 4],
    ['never', new RetryRequested({ maxRetries: 0 }), 1],
  ])('and always does, runs %s more, as Dagster does', (_name, thrown, executions) => {
    let retriesUsed = 0
    while (decisionOf(failedAttempt(null, { thrown, retriesUsed })).action === 'retry')
      retriesUsed++
    expect(1 + retriesUsed).toBe(executions)
  })

  test('counts the retries that the policy gave', () => {
    const thrown = new RetryRequested({ maxRetries: 2 })
    expect(decideRetry(failedAttempt(toPolicy(9), { thrown, retriesUsed: 2 }))).toEqual({
      action: 'stop',
      reason: 'exhausted',
      detail: '2 of 2 retries used that RetryRequested allows',
    })
  })

  test('has no limit if it wants none', () => {
    const thrown = new RetryRequested({ maxRetries: Number.POSITIVE_INFINITY })
    const decision = decideRetry(failedAttempt(policy.none(), { thrown, retriesUsed: 10_000 }))
    expect(decision).toMatchObject({ action: 'retry', retryNumber: 10_001, maxRetries: null })
  })

  test('stops when its delay goes beyond maxElapsed', () => {
    const thrown = new RetryRequested({ delay: '1m' })
    const made = policy.exponential({ maxElapsed: '1m' })
    expect(decideRetry(failedAttempt(made, { thrown }))).toMatchObject({ reason: 'elapsed' })
  })

  test('is refused when its fields were tampered with', () => {
    const thrown = Object.assign(new RetryRequested(), { delayMs: Number.NaN })
    expect(decideRetry(failedAttempt(null, { thrown }))).toMatchObject({
      reason: 'policy_error',
      detail: expect.stringContaining('→ at delayMs'),
    })
  })
})

describe('decideRetry, with a predicate', () => {
  test('answers at once where the predicate does', () => {
    const made = policy.constant({ delay: 5, when: () => true })
    expect(decideRetry(failedAttempt(made))).toMatchObject({ action: 'retry', delayMs: 5 })
  })

  test.each([
    [true, { action: 'retry', rule: 'policy' }],
    [false, { action: 'stop', reason: 'predicate_false' }],
  ])('waits for a promise of %s', async (answer, expected) => {
    const made = policy.constant({ delay: 5, when: async () => answer })
    const decision = decideRetry(failedAttempt(made))
    expect(decision).toBeInstanceOf(Promise)
    expect(await decision).toMatchObject(expected)
  })

  test.each<[string, () => unknown]>([
    ['throws', () => JSON.parse('{')],
    ['rejects', async () => JSON.parse('{')],
    ['never settles', () => new Promise(() => {})],
    ['gives no boolean', () => 'yes'],
    ['gives NaN', () => Number.NaN],
  ])('ends in predicate_error when it %s', async (_name, when) => {
    // @ts-expect-error what JavaScript users may pass
    const made = policy.constant({ delay: 5, when })
    const decision = await decideRetry(failedAttempt(made, { askTimeoutMs: 5 }))
    expect(decision).toMatchObject({ action: 'stop', reason: 'predicate_error' })
  })

  test('shows it the failure, with the random number that the jitter uses', () => {
    const when = vi.fn((failure: { random: number }) => failure.random < 1)
    const input = failedAttempt(policy.exponential({ when }), { random: () => 0.25 })
    expect(decideRetry(input)).toMatchObject({ random: 0.25, delayMs: 250 })
    expect(when.mock.calls[0]?.[0]).toMatchObject({ ...input.failure, random: 0.25 })
  })

  test('records a random number that only the predicate used', () => {
    const made = policy.constant({ delay: 5, when: (failure) => failure.random < 1 })
    expect(decideRetry(failedAttempt(made))).toMatchObject({ random: 0.5, delayMs: 5 })
  })

  test('is not asked when a limit forbids the retry', () => {
    const when = vi.fn(() => true)
    const made = policy.exponential({ when, maxRetries: 1 })
    expect(decideRetry(failedAttempt(made, { retriesUsed: 1 }))).toMatchObject({
      reason: 'exhausted',
    })
    expect(when).not.toHaveBeenCalled()
  })
})

describe('decideRetry, with a policy that is broken', () => {
  const good = policy.constant({ delay: 5 })

  test.each<[string, object]>([
    ['nothing in it', {}],
    ['a delay that is NaN', { ...good, spec: { ...good.spec, delay: Number.NaN } }],
    ['a negative delay', { ...good, spec: { ...good.spec, delay: -1 } }],
    ['a delay in words', { ...good, spec: { ...good.spec, delay: 'soon' } }],
    ['an unknown kind', { ...good, spec: { ...good.spec, kind: 'magic' } }],
    ['an unknown jitter', { ...good, spec: { ...good.spec, jitter: 'some' } }],
    ['no limit at all', { ...good, spec: { ...good.spec, maxRetries: undefined } }],
    ['matchers that are no list', { ...good, retryOn: 5 }],
    ['an empty schedule', { ...good, spec: { ...good.spec, kind: 'schedule', delays: [] } }],
  ])('ends in policy_error: %s', (_name, parts) => {
    // What a policy of another version may look like.
    const broken = { ...parts, [POLICY]: true } as unknown as Policy
    const decision = decideRetry(failedAttempt(broken))
    expect(decision).toMatchObject({ action: 'stop', reason: 'policy_error' })
  })
})

function attemptIn(...situations: Situation[]): DecideInput {
  const options: ExponentialOptions = Object.assign({}, ...situations.map((one) => one.options))
  const input: Partial<DecideInput> = Object.assign({}, ...situations.map((one) => one.input))
  const facts: Partial<FailureFacts> = Object.assign({}, ...situations.map((one) => one.facts))
  const made = policy.exponential({ maxRetries: 9, ...options })
  return failedAttempt(made, input, facts)
}

function nameOf(decision: RecordedDecision): string {
  return decision.action === 'stop' ? decision.reason : decision.rule
}

function decisionOf(input: DecideInput): RecordedDecision {
  const decision = decideRetry(input)
  if (decision instanceof Promise) throw new Error('expected an answer at once')
  return decision
}

function maxDelayOf({ spec }: DelayPolicy): number {
  return spec.maxDelay
}
