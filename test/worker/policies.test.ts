import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  type EnqueueOptions,
  flow,
  NonRetryable,
  policy,
  type RetryOption,
  RetryRequested,
  type RunSnapshot,
  task,
  type WorkerOptions,
} from '../../src/index.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import {
  kindsOf,
  nodeOf,
  openScene,
  runEnd,
  type Scene,
  stopReasonOf,
  TEST_TIMEOUT_MS,
} from './scene.ts'

const none = z.object({})

/** When an execution began and ended, in ms by Redis' own clock. */
interface Execution {
  readonly startedAt: number
  readonly endedAt: number
}

async function redisTime({ redis }: Scene): Promise<number> {
  const [seconds = 0, micros = 0] = (await redis.time()).map(Number)
  return seconds * 1_000 + micros / 1_000
}

/** Runs a task that fails with what `fail` throws, until the policy gives up. */
async function runFailing(
  scene: Scene,
  retry: RetryOption | undefined,
  fail: (attempt: number) => unknown,
  worker: Partial<WorkerOptions> = {},
  options: EnqueueOptions = {},
): Promise<{ ended: RunSnapshot; executions: Execution[] }> {
  const executions: Execution[] = []
  const failing = task({ name: 'failing', input: none, retry }, async (_, { attempt }) => {
    const startedAt = await redisTime(scene)
    executions.push({ startedAt, endedAt: await redisTime(scene) })
    throw fail(attempt)
  })
  await scene.startWorker({ tasks: [failing], ...worker })
  const run = await scene.producer.enqueue(failing, {}, options)
  return { ended: await runEnd(run), executions }
}

function delaysOf(run: RunSnapshot): number[] {
  return nodeOf(run, 'failing').log.flatMap(({ decision }) =>
    decision?.action === 'retry' ? [decision.delayMs] : [],
  )
}

const broken = () => new Error('broken')

describeWithRedis('a retry policy', () => {
  describe('delays', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test.for([
      {
        name: 'constant',
        retry: policy.constant({ delay: 120, maxRetries: 3 }),
        delays: [120, 120, 120],
      },
      {
        name: 'linear',
        retry: policy.linear({ delay: 60, maxRetries: 3 }),
        delays: [60, 120, 180],
      },
      {
        name: 'linear from zero',
        retry: policy.linear({ delay: 60, start: 'zero', maxRetries: 3 }),
        delays: [0, 60, 120],
      },
      {
        name: 'exponential',
        retry: policy.exponential({ delay: 50, factor: 3, jitter: 'none', maxRetries: 3 }),
        delays: [50, 150, 450],
      },
      {
        name: 'exponential with a cap',
        retry: policy.exponential({ delay: 50, jitter: 'none', maxRetries: 4, maxDelay: 120 }),
        delays: [50, 100, 120, 120],
      },
      { name: 'schedule', retry: policy.schedule([30, '100ms', 10]), delays: [30, 100, 10] },
      {
        name: 'a schedule whose last delay repeats',
        retry: policy.schedule([20, 40], { maxRetries: 4 }),
        delays: [20, 40, 40, 40],
      },
      { name: 'none at all', retry: policy.constant({ delay: 0, maxRetries: 2 }), delays: [0, 0] },
    ])('($name) are recorded as computed, and waited for by Redis’ clock', async (row, context) => {
      const scene = openScene(context.onTestFinished)
      const { ended, executions } = await runFailing(scene, row.retry, broken)

      expect(delaysOf(ended)).toEqual(row.delays)
      expect(executions).toHaveLength(row.delays.length + 1)
      row.delays.forEach((delayMs, i) => {
        const waited = (executions[i + 1]?.startedAt ?? 0) - (executions[i]?.endedAt ?? Infinity)
        expect(waited, `before attempt ${i + 2}`).toBeGreaterThanOrEqual(delayMs)
      })
      expect(stopReasonOf(ended, 'failing')).toBe('exhausted')
      expect(nodeOf(ended, 'failing').retriesUsed).toBe(row.delays.length)
    })

    test('with jitter are within their bounds, and recorded with their draw', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      const retry = policy.exponential({ delay: 40, maxRetries: 4, jitter: 'equal' })
      const { ended } = await runFailing(scene, retry, broken)
      nodeOf(ended, 'failing')
        .log.slice(0, -1)
        .forEach(({ decision }, i) => {
          if (decision?.action !== 'retry') throw new Error('expected a retry')
          const base = 40 * 2 ** i
          const { random } = decision
          expect(decision.baseMs).toBe(base)
          expect(random).not.toBeNull()
          expect(decision.delayMs).toBe(Math.round(base / 2 + ((random ?? 0) * base) / 2))
        })
    })
  })

  describe('of errors', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    class HttpError extends Error {
      override readonly name: string = 'HttpError'
      readonly status: number
      constructor(status: number) {
        super(`HTTP ${status}`)
        this.status = status
      }
    }
    class TooMany extends HttpError {
      override readonly name = 'TooMany'
    }
    const fast = { delay: 1, maxRetries: 2 }
    const reset = () => Object.assign(new Error('reset'), { code: 'ECONNRESET' })

    test.for([
      {
        name: 'NonRetryable',
        retry: policy.constant(fast),
        fail: () => new NonRetryable('never'),
        attempts: 1,
        reason: 'non_retryable',
      },
      {
        name: 'retryable: false',
        retry: policy.constant(fast),
        fail: () => Object.assign(new Error('x'), { retryable: false }),
        attempts: 1,
        reason: 'non_retryable',
      },
      {
        name: 'abortOn by class',
        retry: policy.constant({ ...fast, abortOn: [HttpError] }),
        fail: () => new HttpError(400),
        attempts: 1,
        reason: 'abort_on',
      },
      {
        name: 'abortOn by a base class',
        retry: policy.constant({ ...fast, abortOn: [HttpError] }),
        fail: () => new TooMany(429),
        attempts: 1,
        reason: 'abort_on',
      },
      {
        name: 'abortOn by status class',
        retry: policy.constant({ ...fast, abortOn: ['4xx'] }),
        fail: () => new HttpError(404),
        attempts: 1,
        reason: 'abort_on',
      },
      {
        name: 'abortOn over retryOn',
        retry: policy.constant({ ...fast, retryOn: [HttpError], abortOn: [TooMany] }),
        fail: () => new TooMany(429),
        attempts: 1,
        reason: 'abort_on',
      },
      {
        name: 'retryOn by class',
        retry: policy.constant({ ...fast, retryOn: [HttpError] }),
        fail: () => new HttpError(500),
        attempts: 3,
        reason: 'exhausted',
      },
      {
        name: 'retryOn by a base class',
        retry: policy.constant({ ...fast, retryOn: [HttpError] }),
        fail: () => new TooMany(429),
        attempts: 3,
        reason: 'exhausted',
      },
      {
        name: 'retryOn by a name in the chain',
        retry: policy.constant({ ...fast, retryOn: ['HttpError'] }),
        fail: () => new TooMany(429),
        attempts: 3,
        reason: 'exhausted',
      },
      {
        name: 'retryOn by code',
        retry: policy.constant({ ...fast, retryOn: ['ECONNRESET'] }),
        fail: reset,
        attempts: 3,
        reason: 'exhausted',
      },
      {
        name: 'retryOn by the code of a cause',
        retry: policy.constant({ ...fast, retryOn: ['ECONNRESET'] }),
        fail: () => new Error('outer', { cause: reset() }),
        attempts: 3,
        reason: 'exhausted',
      },
      {
        name: 'retryOn that has nothing like it',
        retry: policy.constant({ ...fast, retryOn: [HttpError] }),
        fail: broken,
        attempts: 1,
        reason: 'not_in_retry_on',
      },
      {
        name: 'kinds without error',
        retry: policy.constant({ ...fast, kinds: ['timeout'] }),
        fail: broken,
        attempts: 1,
        reason: 'not_in_kinds',
      },
      { name: 'no policy', retry: undefined, fail: broken, attempts: 1, reason: 'no_policy' },
      {
        name: 'maxElapsed',
        retry: policy.constant({ delay: 400, maxRetries: 9, maxElapsed: 600 }),
        fail: broken,
        attempts: 2,
        reason: 'elapsed',
      },
      {
        name: 'when that says no',
        retry: policy.constant({ ...fast, when: () => false }),
        fail: broken,
        attempts: 1,
        reason: 'predicate_false',
      },
      {
        name: 'when that says yes once, later',
        retry: policy.constant({ ...fast, when: async ({ attempt }) => attempt < 2 }),
        fail: broken,
        attempts: 2,
        reason: 'predicate_false',
      },
      {
        name: 'when that throws',
        retry: policy.constant({
          ...fast,
          when: () => {
            throw new Error('oh')
          },
        }),
        fail: broken,
        attempts: 1,
        reason: 'predicate_error',
      },
      {
        name: 'when that rejects',
        retry: policy.constant({
          ...fast,
          when: async () => {
            throw new Error('oh')
          },
        }),
        fail: broken,
        attempts: 1,
        reason: 'predicate_error',
      },
      {
        name: 'when that answers nonsense',
        retry: policy.constant({ ...fast, when: () => JSON.parse('"yes"') }),
        fail: broken,
        attempts: 1,
        reason: 'predicate_error',
      },
    ])('$name: $attempts attempt(s), then $reason', async (row, context) => {
      const scene = openScene(context.onTestFinished)
      const { ended, executions } = await runFailing(scene, row.retry, row.fail)
      expect(stopReasonOf(ended, 'failing')).toBe(row.reason)
      expect(executions).toHaveLength(row.attempts)
      expect(kindsOf(ended, 'failing')).toEqual(Array.from({ length: row.attempts }, () => 'error'))
    })

    test('RetryRequested waits as it asks, keeps its cause, and beats having no policy', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      const { ended, executions } = await runFailing(scene, undefined, () => {
        const cause = Object.assign(new Error('429 from the bank'), { status: 429 })
        return new RetryRequested({ delay: 250, maxRetries: 2, cause })
      })
      expect(delaysOf(ended)).toEqual([250, 250])
      for (const i of [0, 1]) {
        const waited = (executions[i + 1]?.startedAt ?? 0) - (executions[i]?.endedAt ?? Infinity)
        expect(waited).toBeGreaterThanOrEqual(250)
      }
      const [first] = nodeOf(ended, 'failing').log
      expect(first?.error).toMatchObject({
        name: 'RetryRequested',
        message: '429 from the bank',
        cause: { message: '429 from the bank', status: 429 },
      })
      expect(first?.decision).toMatchObject({
        rule: 'retry_requested',
        retryNumber: 1,
        maxRetries: 2,
      })
      expect(stopReasonOf(ended, 'failing')).toBe('exhausted')
    })

    test('RetryRequested beats abortOn, but not maxElapsed', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const retry = policy.constant({ delay: 1, maxElapsed: '1s', abortOn: [Error] })
      const { ended, executions } = await runFailing(
        scene,
        retry,
        (attempt) => new RetryRequested({ delay: attempt === 1 ? 1 : '1h', maxRetries: 5 }),
      )
      expect(executions).toHaveLength(2)
      expect(stopReasonOf(ended, 'failing')).toBe('elapsed')
    })

    test('a predicate that never settles costs its node, and nobody else', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      const stuck = task(
        {
          name: 'stuck',
          input: none,
          retry: policy.constant({ delay: 1, when: () => new Promise(() => {}) }),
        },
        () => {
          throw broken()
        },
      )
      const next = task({ name: 'next', input: none }, () => 'served')
      await scene.startWorker({ tasks: [stuck, next], queues: { default: { concurrency: 1 } } })
      const before = performance.now()
      const run = await scene.producer.enqueue(stuck, {})
      const served = await scene.producer.enqueue(next, {})
      const ended = await runEnd(run)
      const tookMs = performance.now() - before

      expect(stopReasonOf(ended, 'stuck')).toBe('predicate_error')
      expect(tookMs).toBeGreaterThanOrEqual(5_000)
      expect(tookMs).toBeLessThan(20_000)
      expect(await served.result({ timeout: '30s' })).toBe('served')
    })

    test('a predicate sees the failure, its history and its place', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const seen: unknown[] = []
      const retry = policy.constant({
        delay: 5,
        maxRetries: 1,
        when: (failure) => {
          const { kind, error, attempt, retryNumber, node, task: name, delays, input } = failure
          seen.push({
            kind,
            message: error.message,
            attempt,
            retryNumber,
            node,
            name,
            delays,
            input,
          })
          return Object.isFrozen(failure)
        },
      })
      await runFailing(scene, retry, (attempt) => new Error(`failure ${attempt}`))
      expect(seen).toEqual([
        {
          kind: 'error',
          message: 'failure 1',
          attempt: 1,
          retryNumber: 0,
          node: 'failing',
          name: 'failing',
          delays: [],
          input: {},
        },
      ])
    })
  })

  describe('of several that are given', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    const times = (maxRetries: number) => policy.constant({ delay: 1, maxRetries })

    test.for([
      { name: 'none', retries: 0 },
      { name: 'the worker’s default', worker: 1, retries: 1 },
      { name: 'the flow’s', flow: 2, worker: 1, retries: 2 },
      { name: 'the task’s', task: 3, flow: 2, worker: 1, retries: 3 },
      { name: 'the node’s', node: 4, task: 3, flow: 2, worker: 1, retries: 4 },
      { name: 'the run’s', run: 5, node: 4, task: 3, flow: 2, worker: 1, retries: 5 },
      { name: 'the run’s for the node', runNode: 6, run: 5, node: 4, task: 3, retries: 6 },
      { name: 'a 0 at the node', node: 0, task: 3, flow: 2, worker: 1, retries: 0 },
      { name: 'a 0 at enqueue', run: 0, node: 4, task: 3, flow: 2, retries: 0 },
    ])('takes $name', async (row, context) => {
      const scene = openScene(context.onTestFinished)
      const retryOf = (maxRetries: number | undefined) =>
        maxRetries === undefined ? {} : { retry: times(maxRetries) }
      let executions = 0
      const failing = task({ name: 'failing', input: none, ...retryOf(row.task) }, () => {
        executions++
        throw broken()
      })
      const one = flow({ name: 'one', input: none, ...retryOf(row.flow) }, () =>
        failing.with(retryOf(row.node))({}),
      )
      await scene.startWorker({ flows: [one], defaults: retryOf(row.worker) })
      const run = await scene.producer.enqueue(
        one,
        {},
        {
          ...retryOf(row.run),
          ...(row.runNode === undefined ? {} : { nodes: { failing: retryOf(row.runNode) } }),
        },
      )
      const ended = await runEnd(run)
      expect(executions).toBe(row.retries + 1)
      expect(nodeOf(ended, 'failing').retriesUsed).toBe(row.retries)
    })

    test.for([
      { name: 'worker', worker: { retries: 'off' } as const, options: {} },
      { name: 'enqueue', worker: {}, options: { retries: 'off' } as const },
    ])("is overruled by retries: 'off' of the $name", async ({ worker, options }, context) => {
      const scene = openScene(context.onTestFinished)
      const fail = () => new RetryRequested({ delay: 1, maxRetries: 5 })
      const { ended, executions } = await runFailing(scene, times(5), fail, worker, options)
      expect(executions).toHaveLength(1)
      expect(stopReasonOf(ended, 'failing')).toBe('retries_disabled')
    })

    test('is taken from a plain job’s JSON', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      let executions = 0
      const failing = task({ name: 'failing', input: none, retry: times(5) }, () => {
        executions++
        throw broken()
      })
      await scene.startWorker({ tasks: [failing] })
      const job = await scene.queue().add('failing', {
        v: 1,
        kind: 'task',
        task: 'failing',
        input: {},
        options: { retry: { kind: 'schedule', delays: [1, '2ms'] } },
      })
      const ended = await runEnd(scene.foreignRun(job))
      expect(delaysOf(ended)).toEqual([1, 2])
      expect(executions).toBe(3)
    })
  })

  test('is told to the handler: attempts, last attempt, previous failures', {
    timeout: TEST_TIMEOUT_MS,
  }, async ({ onTestFinished }) => {
    const scene = openScene(onTestFinished)
    const told: unknown[] = []
    const tokens: number[] = []
    const keys = new Set<string>()
    const failing = task(
      { name: 'failing', input: none, retry: policy.constant({ delay: 1, maxRetries: 2 }) },
      (_, ctx) => {
        const { attempt, retryNumber, maxRetries, isLastAttempt, previousFailures } = ctx
        const messages = previousFailures.map(({ error }) => error.message)
        told.push({ attempt, retryNumber, maxRetries, isLastAttempt, messages })
        tokens.push(ctx.fencingToken)
        keys.add(ctx.idempotencyKey)
        throw new Error(`failure ${attempt}`)
      },
    )
    await scene.startWorker({ tasks: [failing] })
    await runEnd(await scene.producer.enqueue(failing, {}))
    expect(told).toEqual([
      { attempt: 1, retryNumber: 0, maxRetries: 2, isLastAttempt: false, messages: [] },
      { attempt: 2, retryNumber: 1, maxRetries: 2, isLastAttempt: false, messages: ['failure 1'] },
      {
        attempt: 3,
        retryNumber: 2,
        maxRetries: 2,
        isLastAttempt: true,
        messages: ['failure 1', 'failure 2'],
      },
    ])
    expect(tokens).toEqual(tokens.toSorted((a, b) => a - b))
    expect(new Set(tokens).size).toBe(3)
    expect(keys.size).toBe(1)
  })
})
