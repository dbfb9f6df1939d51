import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RecordedDecision } from '../../../src/core/failure.ts'
import type { PolicyPlugin } from '../../../src/index.ts'
import { decideRetry } from '../../../src/strategies/decide.ts'
import { drawFor } from '../../../src/strategies/draw.ts'
import type { FailureFacts } from '../../../src/strategies/policy-failure.ts'
import { policyFromJson, policyToJson } from '../../../src/strategies/policy-json.ts'
import { PolicyRegistry } from '../../../src/strategies/policy-registry.ts'
import type { Policy } from '../../../src/strategies/policy-types.ts'
import { NonRetryable, RetryRequested } from '../../../src/strategies/signals.ts'
import { failedAttempt, HttpError } from '../failed-attempt.ts'

/** What the suite has to know of a policy. */
export interface PolicyUnderTest {
  readonly policy: Policy
  /** The longest delay that it may give, in ms. */
  readonly maxDelayMs: number
  /** The plug-ins that it names. */
  readonly plugins?: readonly PolicyPlugin[]
  /** Errors that it is asked about besides HTTP 503. */
  readonly errors?: readonly Error[]
  /** It has functions or classes, so it can't be sent. */
  readonly isLocal?: true
}

const LAST_RETRY = 10_000
const retries = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: LAST_RETRY }))

/** What every retry policy must keep to, ours and users'. Call it in a test file, once per policy. */
export function describePolicyConformance(name: string, under: PolicyUnderTest): void {
  const registry = new PolicyRegistry(under.plugins ?? [])
  const policy = bound(registry, under.policy)
  const errors = [new HttpError(503), ...(under.errors ?? [])]

  const decide = async (made: Policy, retriesUsed: number, which: number, seed = 'seed') => {
    const thrown = errors[which % errors.length]
    const random = () => drawFor(seed, 'node', retriesUsed + 1)
    const facts = { attempt: retriesUsed + 1, retryNumber: retriesUsed }
    return await decideRetry(failedAttempt(made, { thrown, retriesUsed, random }, facts))
  }

  describe(`${name} conforms`, () => {
    test('every decision is a whole number of ms in its range, or a stop with a reason', async () => {
      await fc.assert(
        fc.asyncProperty(retries, fc.nat(), fc.string(), async (used, which, seed) => {
          const decision = await decide(policy, used, which, seed)
          if (decision.action === 'stop') {
            expect(decision.reason).not.toBe('policy_error')
            expect(decision.detail).not.toBe('')
            return
          }
          expect(Number.isSafeInteger(decision.delayMs)).toBe(true)
          expect(decision.delayMs).toBeGreaterThanOrEqual(0)
          expect(decision.delayMs).toBeLessThanOrEqual(under.maxDelayMs)
          expect(decision.retryNumber).toBe(used + 1)
        }),
      )
    })

    test('the same failure gives the same decision', async () => {
      await fc.assert(
        fc.asyncProperty(retries, fc.nat(), async (used, which) => {
          expect(await decide(policy, used, which)).toEqual(await decide(policy, used, which))
        }),
        { numRuns: 30 },
      )
    })

    test('retries up to its limit and not beyond', async () => {
      const decisions: RecordedDecision[] = []
      for (let used = 0; used < 50; used++) decisions.push(await decide(policy, used, 0))
      const end = decisions.findIndex(({ action }) => action === 'stop')
      if (end >= 0) expect(decisions.slice(end).every(({ action }) => action === 'stop')).toBe(true)
    })

    test.each([
      ["retries: 'off'", { retries: 'off' } as const, 'retries_disabled'],
      ['NonRetryable', { thrown: new NonRetryable('no') }, 'non_retryable'],
    ])('%s beats it', async (_name, changes, reason) => {
      expect(await decideRetry(failedAttempt(policy, changes))).toMatchObject({ reason })
    })

    test('RetryRequested beats it', async () => {
      const thrown = new RetryRequested({ delay: 7 })
      const decision = await decideRetry(failedAttempt(policy, { thrown }))
      expect(decision).toMatchObject({ rule: 'retry_requested', delayMs: 7 })
    })

    test('leaves the failure as it was', async () => {
      const input = failedAttempt(policy)
      const before = structuredClone(input.failure) satisfies FailureFacts
      await decideRetry(input)
      expect(input.failure).toEqual(before)
    })

    if (under.isLocal) return

    test('decides the same after it was sent', async () => {
      const received = bound(
        registry,
        policyFromJson(JSON.parse(JSON.stringify(policyToJson(policy)))),
      )
      for (const used of [0, 1, 5, LAST_RETRY]) {
        for (const which of errors.keys()) {
          expect(await decide(received, used, which)).toEqual(await decide(policy, used, which))
        }
      }
    })
  })
}

function bound(registry: PolicyRegistry, policy: Policy): Policy {
  const found = registry.bind(policy)
  if ('missing' in found) throw new Error(`the plug-in ${found.missing} is not in plugins`)
  return found.policy
}
