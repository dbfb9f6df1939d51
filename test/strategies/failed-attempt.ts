import { storeError } from '../../src/core/failure.ts'
import type { DecideInput } from '../../src/strategies/decide.ts'
import type { FailureFacts } from '../../src/strategies/policy-failure.ts'
import type { Policy } from '../../src/strategies/policy-types.ts'

/** An error of a user's service. */
export class HttpError extends Error {
  override readonly name = 'HttpError'
  readonly status: number

  constructor(status: number) {
    super(`HTTP ${status}`)
    this.status = status
  }
}

/** When the failures of these tests happen. */
export const NOW = 1_700_000_000_000

/** A first attempt that failed with HTTP 503, 100 ms after its start. */
export function failedAttempt(
  policy: Policy | null,
  changes: Partial<DecideInput> = {},
  facts: Partial<FailureFacts> = {},
): DecideInput {
  return {
    policy,
    failure: {
      kind: 'error',
      error: storeError(new HttpError(503)),
      attempt: 1,
      retryNumber: 0,
      node: 'ping',
      task: 'ping-service',
      flow: 'retry-example',
      run: { id: '0-b', rootId: '0-a' },
      input: { url: 'https://example.org', tags: ['a'] },
      priority: 0,
      queue: 'default',
      lock: null,
      startedAt: NOW - 100,
      firstStartedAt: NOW - 100,
      delays: [],
      ...facts,
    },
    retriesUsed: 0,
    now: NOW,
    random: () => 0.5,
    ...changes,
  }
}
