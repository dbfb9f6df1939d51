import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  dagsterPolicy,
  prefectRetries,
  prefectTask,
  procrastinateDecision,
  procrastinateStrategy,
} from '../../src/compat/index.ts'
import { storeError } from '../../src/core/failure.ts'
import {
  DefinitionError,
  NonRetryable,
  type Policy,
  type RetryOption,
  RetryRequested,
} from '../../src/index.ts'
import { decideRetry } from '../../src/strategies/decide.ts'
import { maxCrashesOf } from '../../src/strategies/policy-limits.ts'
import { choosePolicy } from '../../src/strategies/precedence.ts'
import { failedAttempt, NOW } from '../strategies/failed-attempt.ts'

const vectorsSchema = z.array(
  z.object({ id: z.string(), system: z.string(), settings: z.string(), situation: z.string() }),
)

const vectors = vectorsSchema.parse(
  JSON.parse(readFileSync(new URL('../vectors/decisions.json', import.meta.url), 'utf8')),
)

/** Answered differently on purpose. */
const DIFFERENT: Readonly<Record<string, string>> = {
  K35: 'an empty list of exceptions is a DefinitionError: Python takes it for "all", a reader for "none"',
  K39: 'a cancelled run is cancelled: it ends without a decision, not as failed',
}

class ValueError extends Error {
  override readonly name = 'ValueError'
}
class KeyError extends Error {
  override readonly name = 'KeyError'
}
class RuntimeError extends Error {
  override readonly name = 'RuntimeError'
}

/** What a policy decides about the first error, or after some retries: `retry`, or the reason to stop. */
async function answerOf(made: Policy | null, thrown: Error = new Error('x'), retriesUsed = 0) {
  const error = storeError(thrown)
  const decision = await decideRetry(failedAttempt(made, { thrown, retriesUsed }, { error }))
  return decision.action === 'retry' ? 'retry' : decision.reason
}

/** How often a task runs that always fails, or succeeds on a certain call. */
async function executions(made: Policy | null, thrown?: Error, succeedsOn = 100): Promise<number> {
  let calls = 1
  while (calls < succeedsOn && (await answerOf(made, thrown, calls - 1)) === 'retry') calls++
  return calls
}

const layered = (layers: { worker?: RetryOption; task?: RetryOption; node?: RetryOption }) =>
  executions(choosePolicy(layers))
const dagster = (maxRetries: number) => dagsterPolicy({ maxRetries })

const retrying = { maxRetries: 2, retryDelay: 0 }

const CHECKS: Readonly<Record<string, () => Promise<void> | void>> = {
  K01: async () => expect(await answerOf(dagsterPolicy())).toBe('retry'),
  K02: async () => expect(await answerOf(dagsterPolicy(), undefined, 1)).toBe('exhausted'),
  K04: async () => expect(await executions(null, new RetryRequested())).toBe(2),
  K05: async () => expect(await executions(null, new RetryRequested({ maxRetries: 3 }))).toBe(4),
  K07: async () => expect(await executions(dagster(1), new NonRetryable('no'))).toBe(1),
  K08: async () => expect(await executions(dagster(1))).toBe(2),
  K09: async () => expect(await layered({ worker: dagster(3) })).toBe(4),
  K10: async () => expect(await layered({ worker: dagster(3), task: dagster(2) })).toBe(3),
  K11: async () =>
    expect(await layered({ worker: dagster(3), task: dagster(2), node: dagster(1) })).toBe(2),
  K12: async () => expect(await layered({ worker: dagster(3), node: dagster(1) })).toBe(2),
  // The first crash is forgiven, the second is a crash_loop (test/faults has both with killed processes).
  K14: () => expect(maxCrashesOf(dagster(1))).toBe(1),
  K15: () => expect(maxCrashesOf(dagster(1))).toBe(1),
  K27: async () => expect(await executions(procrastinateStrategy(1), undefined, 2)).toBe(2),
  K28: async () => expect(await executions(procrastinateStrategy(1), undefined, 3)).toBe(2),
  K29: async () =>
    expect(await answerOf(procrastinateStrategy({ maxAttempts: 10 }), undefined, 9)).toBe('retry'),
  K30: async () => {
    const made = procrastinateStrategy({ maxAttempts: 10 })
    expect(await answerOf(made, undefined, 10)).toBe('exhausted')
    expect(await answerOf(made, undefined, 100)).toBe('exhausted')
  },
  K31: async () => expect(await executions(procrastinateStrategy(5))).toBe(6),
  K33: async () => {
    for (const retry of [0, false, null]) {
      expect(await answerOf(procrastinateStrategy(retry))).toBe('exhausted')
    }
  },
  K34: async () => {
    const made = procrastinateStrategy({ retryExceptions: [ValueError] })
    expect(await answerOf(made, new ValueError('x'))).toBe('retry')
    expect(await answerOf(made, new KeyError('x'))).toBe('not_in_retry_on')
  },
  K35: () => expect(() => procrastinateStrategy({ retryExceptions: [] })).toThrow(DefinitionError),
  K36: () => {
    const both = { retryAt: new Date(NOW), retryIn: { seconds: 5 } }
    expect(() => procrastinateDecision(both)).toThrow(DefinitionError)
  },
  // Nothing is named, so nothing changes (test/worker/locks shows it of the lock).
  K37: () => expect(procrastinateDecision()).toEqual({}),
  K42: async () => expect(await executions(prefectTask(retrying))).toBe(3),
  K43: async () => expect(await answerOf(prefectTask({ maxRetries: 0 }))).toBe('exhausted'),
  K45: async () => {
    const made = prefectTask({ ...retrying, retryOn: [RuntimeError] })
    expect(await answerOf(made, new ValueError('x'))).toBe('not_in_retry_on')
  },
  K46: async () => {
    for (const retryOn of [[Error], ValueError, [KeyError, ValueError]]) {
      const made = prefectTask({ ...retrying, retryOn })
      expect(await answerOf(made, new ValueError('x'))).toBe('retry')
    }
  },
  K49: () => {
    expect(() => prefectTask({ retryDelay: 1 })).toThrow(DefinitionError)
    expect(() => prefectTask({ maxRetries: 1 })).toThrow(DefinitionError)
  },
  K50: async () =>
    expect(await answerOf(prefectRetries({ retries: 2 }), undefined, 1)).toBe('retry'),
  K51: async () =>
    expect(await answerOf(prefectRetries({ retries: 2 }), undefined, 2)).toBe('exhausted'),
  K52: async () => {
    const thrown = Object.assign(new Error('x'), { retryable: false })
    expect(await answerOf(prefectRetries({ retries: 2 }), thrown)).toBe('non_retryable')
  },
  K54: async () => expect(await executions(prefectRetries({ retries: 3 }), undefined, 2)).toBe(2),
  K55: () => {
    const retryDelaySeconds = Array.from({ length: 51 }, () => 1)
    expect(() => prefectRetries({ retries: 3, retryDelaySeconds })).toThrow(DefinitionError)
  },
  K56: () =>
    expect(() => prefectRetries({ retries: 1, retryJitterFactor: -10 })).toThrow(DefinitionError),
  K57: () => {
    // @ts-expect-error what JavaScript users may pass
    expect(() => prefectRetries({ retries: 1, retryDelaySeconds: {} })).toThrow(DefinitionError)
  },
  K62: async () => {
    const retryConditionFn = () => JSON.parse('{')
    const made = prefectRetries({ retries: 3, retryConditionFn })
    expect(await answerOf(made)).toBe('predicate_error')
  },
}

/** Shown elsewhere. */
const ELSEWHERE = [
  // test/coordinator/cancel.test.ts
  'K39',
  // test/compat/through-a-worker.test.ts
  ...['K47', 'K48'],
  // test/faults/reruns
  'K26',
  // test/compat/run-retries.test.ts
  ...['K16', 'K18', 'K19', 'K20', 'K21', 'K23', 'K24', 'K25', 'K41', 'K58', 'K59', 'K60'],
]

describe('the decisions of other systems', () => {
  const checked = vectors.filter(({ id }) => Object.hasOwn(CHECKS, id))

  test.each(checked)('$id $system, $settings: $situation', async ({ id }) => {
    await CHECKS[id]?.()
  })

  test('are all accounted for', () => {
    const known = [...Object.keys(CHECKS), ...ELSEWHERE]
    expect(known.toSorted()).toEqual(vectors.map(({ id }) => id).toSorted())
  })

  afterAll(() => {
    const list = (reasons: Readonly<Record<string, string>>) =>
      Object.entries(reasons).map(([id, reason]) => `  ${id}: ${reason}`)
    const different = Object.keys(DIFFERENT).length
    const same = checked.length + ELSEWHERE.length - different
    console.log(
      [
        `decision vectors: ${vectors.length}, ${same} answered the same`,
        `${different} differently on purpose:`,
        ...list(DIFFERENT),
      ].join('\n'),
    )
  })
})
