import { describe, expect, test } from 'vitest'
import { DefinitionError } from '../../src/core/errors.ts'
import { type RecordedDecision, storeError } from '../../src/core/failure.ts'
import type { PolicyRule } from '../../src/strategies/compose.ts'
import { decideRetry } from '../../src/strategies/decide.ts'
import { policy } from '../../src/strategies/policy.ts'
import { isLastAttempt, maxCrashesOf, maxRetriesOf } from '../../src/strategies/policy-limits.ts'
import type { Policy } from '../../src/strategies/policy-types.ts'
import { failedAttempt, HttpError } from './failed-attempt.ts'

const constant = (delay: number, maxRetries: number) => policy.constant({ delay, maxRetries })

const byStatus = policy.rules([
  { on: [429], use: constant(60, 10) },
  { on: ['4xx'], use: policy.none() },
  { use: constant(5, 2) },
])

function decideAbout(made: Policy, thrown: Error, retriesUsed = 0) {
  return decideRetry(failedAttempt(made, { thrown, retriesUsed }, { error: storeError(thrown) }))
}

/** The delays that a policy gives until it stops, and why it stopped. */
function storyOf(made: Policy, thrown: Error) {
  const decisions: RecordedDecision[] = []
  for (let used = 0; used < 100; used++) {
    const decision = decideAbout(made, thrown, used)
    if (decision instanceof Promise) throw new Error('expected an answer at once')
    decisions.push(decision)
    if (decision.action === 'stop') break
  }
  return decisions.map((one) => (one.action === 'stop' ? one.reason : one.delayMs))
}

describe('policy.rules', () => {
  test.each<[string, Error, object]>([
    ['the first rule', new HttpError(429), { part: 'rules[0]', delayMs: 60, maxRetries: 10 }],
    [
      'a rule that stops',
      new HttpError(404),
      { reason: 'exhausted', detail: '0 of 0 retries used' },
    ],
    ['the last rule', new HttpError(503), { part: 'rules[2]', delayMs: 5, maxRetries: 2 }],
    ['the last rule for anything', new Error('x'), { part: 'rules[2]', delayMs: 5 }],
  ])('uses %s', (_name, thrown, expected) => {
    expect(decideAbout(byStatus, thrown)).toMatchObject(expected)
  })

  test('stops where no rule matches, and says so', () => {
    const made = policy.rules([{ on: [429], use: constant(1, 1) }])
    expect(decideAbout(made, new HttpError(503))).toEqual({
      action: 'stop',
      reason: 'not_in_retry_on',
      detail: 'HttpError matches none of the rules',
    })
  })

  test('counts all retries of the node, whichever rule gave them', () => {
    expect(decideAbout(byStatus, new HttpError(503), 2)).toMatchObject({ reason: 'exhausted' })
    expect(decideAbout(byStatus, new HttpError(429), 2)).toMatchObject({ retryNumber: 3 })
  })

  test("applies the limits of the rule's policy to RetryRequested too", () => {
    const made = policy.rules([
      { on: [429], use: policy.constant({ delay: 1, maxTotalAttempts: 1 }) },
      { use: constant(1, 1) },
    ])
    expect(decideAbout(made, new HttpError(429))).toMatchObject({
      reason: 'exhausted',
      detail: '1 attempts made, maxTotalAttempts is 1',
    })
    expect(decideAbout(made, new HttpError(503))).toMatchObject({ action: 'retry' })
  })

  test.each<[string, readonly PolicyRule[], string]>([
    ['no rules', [], 'expected at least one rule, got an empty list'],
    ['an empty list of matchers', [{ on: [], use: policy.none() }], 'expected at least one entry'],
    [
      'a rule that hides others',
      [{ use: policy.none() }, { on: ['A'], use: policy.none() }],
      'rule 0 has no `on`, so it matches every error and the rules after it are never reached',
    ],
  ])('refuses %s', (_name, rules, message) => {
    expect(() => policy.rules(rules)).toThrow(DefinitionError)
    expect(() => policy.rules(rules)).toThrow(message)
  })
})

test('policy.rules refuses a rule without a policy', () => {
  // @ts-expect-error what JavaScript users may pass
  expect(() => policy.rules([{ on: ['A'], use: 5 }])).toThrow('expected a policy, such as')
})

describe('policy.chain', () => {
  test('goes on with the next policy, which counts from 1', () => {
    const linear = policy.linear({ delay: 100, maxRetries: 3 })
    const made = policy.chain(constant(1, 2), linear, constant(7, 1))
    expect(storyOf(made, new Error('x'))).toEqual([1, 1, 100, 200, 300, 7, 'exhausted'])
    expect(decideAbout(made, new Error('x'), 2)).toMatchObject({
      part: 'chain[1]',
      retryNumber: 3,
      maxRetries: 3,
    })
  })

  test('in a chain is the same as one long chain', () => {
    const nested = policy.chain(policy.chain(constant(1, 1), constant(2, 2)), constant(3, 1))
    expect(storyOf(nested, new Error('x'))).toEqual([1, 2, 2, 3, 'exhausted'])
    expect(decideAbout(nested, new Error('x'), 1)).toMatchObject({ part: 'chain[0].chain[1]' })
  })

  test('stops where the matchers of the policy in turn stop it', () => {
    const fussy = policy.constant({ delay: 1, maxRetries: 1, abortOn: ['HttpError'] })
    expect(storyOf(policy.chain(fussy, constant(2, 1)), new HttpError(503))).toEqual(['abort_on'])
  })

  test('goes over rules by the error at hand', () => {
    const made = policy.chain(byStatus, constant(9, 1))
    expect(storyOf(made, new HttpError(503))).toEqual([5, 5, 9, 'exhausted'])
    expect(storyOf(made, new HttpError(404))).toEqual([9, 'exhausted'])
  })

  test.each<[string, readonly Policy[], string]>([
    ['one policy', [policy.none()], 'expected at least two policies'],
    [
      'a policy without end before others',
      [policy.constant({ delay: 1, maxRetries: Infinity }), policy.none()],
      'policy 0 has no limit of retries, so the policies after it are never reached',
    ],
    [
      'a plug-in before others',
      [constant(1, 1), policy.named('a'), policy.none()],
      'policy 1 has no limit',
    ],
  ])('refuses %s', (_name, policies, message) => {
    expect(() => policy.chain(...policies)).toThrow(DefinitionError)
    expect(() => policy.chain(...policies)).toThrow(message)
  })
})

describe('the limits of composed policies', () => {
  const stoic = policy.constant({ delay: 1, maxRetries: 2, maxCrashes: 9 })

  test.each<[string, Policy, number | null, number]>([
    ['rules', policy.rules([{ on: ['A'], use: stoic }, { use: constant(1, 4) }]), 4, 3],
    ['rules with one for crashes', policy.rules([{ on: ['WorkerLost'], use: stoic }]), 2, 9],
    ['rules without one for crashes', policy.rules([{ on: ['HttpError'], use: stoic }]), 2, 3],
    ['a chain', policy.chain(stoic, constant(1, 4)), 6, 9],
    ['a chain that begins with none', policy.chain(policy.none({ maxCrashes: 0 }), stoic), 2, 0],
    ['a chain without end', policy.chain(stoic, policy.named('a')), null, 9],
    ['a plug-in', policy.named('a'), null, 3],
  ])('of %s', (_name, made, maxRetries, maxCrashes) => {
    expect(maxRetriesOf(made)).toBe(maxRetries)
    expect(maxCrashesOf(made)).toBe(maxCrashes)
    expect(isLastAttempt(made, 10)).toBe(maxRetries !== null)
  })
})
