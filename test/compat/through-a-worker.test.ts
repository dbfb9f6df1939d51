import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  dagsterPolicy,
  exponentialBackoff,
  prefectRetries,
  prefectTask,
  procrastinateStrategy,
  rawDelay,
} from '../../src/compat/index.ts'
import { flow, type Policy, policy, task } from '../../src/index.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { nodeOf, openScene, runEnd, stopReasonOf, TEST_TIMEOUT_MS } from '../worker/scene.ts'

const none = z.object({})

// Quick ones, so that the worker really waits them.
const SAMPLES: readonly (readonly [string, Policy, number])[] = [
  ['Dagster', dagsterPolicy({ maxRetries: 2, delay: 0.05, backoff: 'LINEAR' }), 2],
  [
    'Dagster, EXPONENTIAL, FULL',
    dagsterPolicy({ maxRetries: 3, delay: 0.05, backoff: 'EXPONENTIAL', jitter: 'FULL' }),
    3,
  ],
  ['Dagster, PLUS_MINUS', dagsterPolicy({ maxRetries: 3, delay: 0.05, jitter: 'PLUS_MINUS' }), 3],
  [
    'Procrastinate',
    procrastinateStrategy({ maxAttempts: 3, wait: 0.05, linearWait: 0.02, exponentialWait: 0.1 }),
    3,
  ],
  ['Prefect 1', prefectTask({ maxRetries: 2, retryDelay: 0.03, retryOn: Error }), 2],
  [
    'Prefect 3, with its jitter',
    prefectRetries({
      retries: 3,
      retryDelaySeconds: exponentialBackoff(0.05),
      retryJitterFactor: 0.5,
    }),
    3,
  ],
]

describeWithRedis('the policies of other systems, in a worker', () => {
  describe('wait', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test.for(SAMPLES)(
      '%s: as the formula says, with the draw that is recorded',
      async (row, { onTestFinished }) => {
        const [, retry, retries] = row
        const scene = openScene(onTestFinished)
        const starts: number[] = []
        const failing = task({ name: 'failing', input: none, retry }, () => {
          starts.push(performance.now())
          throw new Error('broken')
        })
        await scene.startWorker({ tasks: [failing] })
        const ended = await runEnd(await scene.producer.enqueue(failing, {}))
        const { log } = nodeOf(ended, 'failing')
        expect(stopReasonOf(ended, 'failing')).toBe('exhausted')
        expect(starts).toHaveLength(retries + 1)
        log.slice(0, -1).forEach(({ decision }, i) => {
          if (decision?.action !== 'retry') throw new Error('expected a retry')
          const wanted = rawDelay(retry, i + 1, decision.random ?? 0)
          expect(decision.delayMs).toBe(Math.round(wanted))
          const waitedMs = (starts[i + 1] ?? 0) - (starts[i] ?? 0)
          expect(waitedMs).toBeGreaterThanOrEqual(decision.delayMs - 1)
        })
        const isJittered = retry.type === 'delay' && retry.spec.jitter !== 'none'
        expect(log.slice(0, -1).every(({ decision }) => hasDraw(decision) === isJittered)).toBe(
          true,
        )
      },
    )
  })

  // K47 and K48: what fails because of others is not retried.
  test('retry no node that fails because of its upstream', { timeout: TEST_TIMEOUT_MS }, async ({
    onTestFinished,
  }) => {
    const scene = openScene(onTestFinished)
    const retry = prefectTask({ maxRetries: 2, retryDelay: 0 })
    const first = task({ name: 'first', input: none, retry: policy.none() }, (): number => {
      throw new Error('broken')
    })
    const second = task({ name: 'second', input: z.object({ n: z.number() }), retry }, ({ n }) => n)
    const both = flow({ name: 'both', input: none }, () => second({ n: first({}) }))
    await scene.startWorker({ flows: [both] })
    const ended = await runEnd(await scene.producer.enqueue(both, {}))
    expect(nodeOf(ended, 'second')).toMatchObject({
      state: 'upstream_failed',
      attempts: 0,
      log: [],
    })
  })
})

function hasDraw(decision: { action: string } | null): boolean {
  return decision !== null && 'random' in decision && decision.random !== null
}
