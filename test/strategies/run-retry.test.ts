import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { FailureKind } from '../../src/core/failure.ts'
import type { RunRetry } from '../../src/core/lineage.ts'
import { DefinitionError, definePolicy, policy } from '../../src/index.ts'
import { decideRunRetry } from '../../src/strategies/decide-run-retry.ts'
import { readRunRetry } from '../../src/strategies/run-retry.ts'

describe('readRunRetry', () => {
  test.each([
    [3, { maxRetries: 3, strategy: 'from-failure' }],
    [false, { maxRetries: 0, strategy: 'from-failure' }],
    [
      { maxRetries: 1, strategy: 'all', kinds: ['crash'] },
      { maxRetries: 1, strategy: 'all', kinds: ['crash'] },
    ],
  ])('reads %j', (option, read) => {
    expect(readRunRetry(option)).toEqual(read)
    expect(readRunRetry(readRunRetry(option)), 'what it gave').toEqual(read)
  })

  test('writes a policy as data, which it reads again', () => {
    const read = readRunRetry({ maxRetries: 2, policy: policy.constant({ delay: '1m' }) })
    expect(read.policy).toMatchObject({ kind: 'constant', delay: 60_000 })
    expect(readRunRetry(JSON.parse(JSON.stringify(read)))).toEqual(read)
  })

  const plugin = definePolicy({ name: 'mine', options: z.object({}), decide: () => null })
  test.each([
    ['a text', 'often', /expected a number of retries/],
    ['a negative number', -1, /expected a whole number from 0, got -1/],
    ['no limit', { strategy: 'all' }, /maxRetries/],
    ['another strategy', { maxRetries: 1, strategy: 'some' }, /'from-failure', 'all', got "some"/],
    ['no kinds', { maxRetries: 1, kinds: [] }, /at least one kind/],
    ['another option', { maxRetries: 1, delay: 5 }, /delay/],
    [
      'a function',
      { maxRetries: 1, policy: policy.constant({ delay: 1, when: () => true }) },
      /when: a function/,
    ],
    ['a plug-in', { maxRetries: 1, policy: plugin({}) }, /the plug-in mine/],
  ])('refuses %s', (_name, option, message) => {
    expect(() => readRunRetry(option)).toThrow(DefinitionError)
    expect(() => readRunRetry(option)).toThrow(message)
  })
})

function decide(
  runRetry: RunRetry,
  {
    used = 0,
    kinds = ['error'],
    retries = 'on',
  }: { used?: number; kinds?: FailureKind[]; retries?: 'on' | 'off' } = {},
) {
  const error = { name: 'HttpError', names: ['HttpError', 'Error'], message: 'no', status: 503 }
  const failures = kinds.map((kind) => ({ kind, error }))
  return decideRunRetry({
    runRetry,
    failures,
    failure: {
      kind: kinds[0] ?? 'error',
      error,
      attempt: used + 1,
      retryNumber: used,
      node: 'a',
      task: 'a',
      flow: 'f',
      run: { id: '0-a', rootId: '0-a' },
      input: null,
      priority: 0,
      queue: 'default',
      lock: null,
      startedAt: 0,
      firstStartedAt: 0,
      delays: [],
    },
    retriesUsed: used,
    now: 1_000,
    retries,
    random: () => 0.5,
  })
}

describe('decideRunRetry', () => {
  const three = readRunRetry(3)

  test('retries at once without a policy, up to maxRetries', async () => {
    for (const used of [0, 1, 2]) {
      expect(await decide(three, { used })).toMatchObject({
        action: 'retry',
        delayMs: 0,
        retryNumber: used + 1,
        maxRetries: 3,
      })
    }
    expect(await decide(three, { used: 3 })).toMatchObject({ action: 'stop', reason: 'exhausted' })
  })

  test('takes the delays of the policy, and its own limit instead of the policy’s', async () => {
    const growing = readRunRetry({
      maxRetries: 5,
      policy: policy.exponential({ delay: '1s', maxRetries: 1, jitter: 'none' }),
    })
    const delays = [0, 1, 2, 3].map(async (used) => {
      const decision = await decide(growing, { used })
      return decision.action === 'retry' ? decision.delayMs : decision.reason
    })
    expect(await Promise.all(delays)).toEqual([1_000, 2_000, 4_000, 8_000])
  })

  test('wants every failure to be of its kinds', async () => {
    const lost = readRunRetry({ maxRetries: 1, kinds: ['crash', 'timeout'] })
    expect(await decide(lost, { kinds: ['crash', 'timeout'] })).toMatchObject({ action: 'retry' })
    expect(await decide(lost, { kinds: ['crash', 'error'] })).toMatchObject({
      reason: 'not_in_kinds',
    })
  })

  test('asks the policy about the error', async () => {
    const some = readRunRetry({
      maxRetries: 1,
      policy: policy.constant({ delay: 0, retryOn: ['4xx'] }),
    })
    expect(await decide(some)).toMatchObject({ reason: 'not_in_retry_on' })
  })

  test('is switched off with all retries, and never throws', async () => {
    expect(await decide(three, { retries: 'off' })).toMatchObject({ reason: 'retries_disabled' })
    const broken = { ...three, policy: { kind: 'unheard of' } }
    expect(await decide(broken)).toMatchObject({ action: 'stop', reason: 'policy_error' })
  })
})
