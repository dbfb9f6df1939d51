import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  type BackoffStrategyOptions,
  backoffStrategy,
  DefinitionError,
  definePolicy,
  NonRetryable,
  policy,
  type RecordedDecision,
  type RetryOption,
  RetryRequested,
} from '../../src/index.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { eventually, openPlainQueue } from './plain-queue.ts'

const giving = (name: string, decision: unknown) => {
  const decide = () => decision
  // @ts-expect-error what JavaScript users may write
  return definePolicy({ name, options: z.object({}), decide })({})
}

const broken = () => new Error('broken')
const fast = { delay: 30, maxRetries: 2 }

interface Row {
  readonly name: string
  readonly retry: RetryOption
  readonly fail?: () => Error
  readonly calls: number
  readonly reason: string
  readonly delays?: readonly number[]
}

const ROWS: readonly Row[] = [
  { name: 'a policy', retry: policy.linear(fast), calls: 3, reason: 'exhausted', delays: [30, 60] },
  { name: 'a number', retry: 0, calls: 1, reason: 'exhausted', delays: [] },
  {
    name: 'a chain',
    retry: policy.chain(policy.constant({ delay: 9, maxRetries: 1 }), policy.linear(fast)),
    calls: 4,
    reason: 'exhausted',
    delays: [9, 30, 60],
  },
  { name: 'no wait', retry: policy.constant({ ...fast, delay: 0 }), calls: 3, reason: 'exhausted' },
  {
    name: 'a plug-in that stops',
    retry: giving('stop', null),
    calls: 1,
    reason: 'predicate_false',
  },
  { name: 'a plug-in of NaN', retry: giving('nan', Number.NaN), calls: 1, reason: 'policy_error' },
  {
    name: 'a plug-in without end',
    retry: giving('endless', { retryIn: Number.POSITIVE_INFINITY }),
    calls: 1,
    reason: 'policy_error',
  },
  {
    name: 'a plug-in that moves',
    retry: giving('a', { queue: 'b' }),
    calls: 1,
    reason: 'policy_error',
  },
  {
    name: 'a plug-in that locks',
    retry: giving('b', { lock: 'b' }),
    calls: 1,
    reason: 'policy_error',
  },
  {
    name: 'NonRetryable',
    retry: 5,
    fail: () => new NonRetryable('no'),
    calls: 1,
    reason: 'non_retryable',
  },
  {
    name: 'RetryRequested',
    retry: policy.none(),
    fail: () => new RetryRequested({ delay: 20, maxRetries: 2 }),
    calls: 3,
    reason: 'exhausted',
    delays: [20, 20],
  },
]

/** Runs one job that always fails, in a stock worker, until BullMQ gives it up. */
async function runFailing(
  onTestFinished: Parameters<typeof openPlainQueue>[0],
  policies: Parameters<typeof backoffStrategy>[0],
  fail: () => Error,
  options: BackoffStrategyOptions = {},
) {
  const { queue, work } = openPlainQueue(onTestFinished)
  const starts: number[] = []
  const decisions: RecordedDecision[] = []
  await work(
    async ({ name }) => {
      if (name === 'next') return 'served'
      starts.push(performance.now())
      throw fail()
    },
    {
      settings: {
        backoffStrategy: backoffStrategy(policies, {
          onDecision: (decision) => decisions.push(decision),
          ...options,
        }),
      },
    },
  )
  const job = await queue.add('failing', {}, { attempts: 1_000, backoff: { type: 'ours' } })
  const next = await queue.add('next', {})
  await eventually(async () => expect(await job.getState()).toBe('failed'))
  await eventually(async () => expect(await next.getState()).toBe('completed'))
  return { starts, decisions }
}

describeWithRedis('backoffStrategy, in a stock BullMQ worker', () => {
  describe('with', { concurrent: true, timeout: 60_000 }, () => {
    test.for(ROWS)('$name: $calls call(s), then $reason', async (row, { onTestFinished }) => {
      const { fail = broken } = row
      const { starts, decisions } = await runFailing(onTestFinished, { ours: row.retry }, fail)
      expect(starts).toHaveLength(row.calls)
      expect(decisions.at(-1)).toMatchObject({ action: 'stop', reason: row.reason })
      const delays = decisions.flatMap((one) => (one.action === 'retry' ? [one.delayMs] : []))
      if (row.delays !== undefined) expect(delays).toEqual(row.delays)
      delays.forEach((delayMs, i) => {
        const waitedMs = (starts[i + 1] ?? 0) - (starts[i] ?? Infinity)
        expect(waitedMs).toBeGreaterThanOrEqual(delayMs - 1)
      })
    })

    test('a type that nobody gave a policy for, the job fails and says so', async ({
      onTestFinished,
    }) => {
      const { starts, decisions } = await runFailing(onTestFinished, { other: 5 }, broken)
      expect(starts).toHaveLength(1)
      expect(decisions).toEqual([
        {
          action: 'stop',
          reason: 'policy_error',
          detail: 'no policy has the type "ours"; known are: other',
        },
      ])
    })

    test('an onDecision that throws, the job goes on', async ({ onTestFinished }) => {
      const warnings: string[] = []
      const hear = (warning: Error) => warnings.push(warning.message)
      process.on('warning', hear)
      onTestFinished(async () => void process.off('warning', hear))
      const onDecision = () => {
        throw new Error('oh')
      }
      const policies = { ours: policy.constant({ delay: 1, maxRetries: 1 }) }
      const { starts } = await runFailing(onTestFinished, policies, broken, { onDecision })
      expect(starts).toHaveLength(2)
      expect(warnings).toContain('backoffStrategy: onDecision threw: oh')
    })
  })
})

describe('backoffStrategy', () => {
  test('grows decorrelated delays, although BullMQ stores none', async () => {
    const made = policy.decorrelated({ delay: '1s', maxRetries: 8 })
    const strategy = backoffStrategy({ ours: made })
    const job = { id: '7', name: 'n', queueName: 'q', data: {}, opts: {}, timestamp: Date.now() }
    const delays: number[] = []
    for (let made = 1; made <= 8; made++) delays.push(await strategy(made, 'ours', broken(), job))
    const preview = made.preview(8, { run: 'q', node: '7' })
    expect(delays).toEqual(preview.map(({ medianMs }) => medianMs))
  })

  test('counts maxElapsed from when the job was added', async () => {
    const made = policy.constant({ delay: 10, maxRetries: 9, maxElapsed: 100 })
    const job = { id: '7', name: 'n', queueName: 'q', data: {}, opts: {}, timestamp: 1_000 }
    const at = (now: number) => backoffStrategy({ ours: made }, { now: () => now })
    expect(await at(1_090)(1, 'ours', broken(), job)).toBe(10)
    expect(await at(1_091)(1, 'ours', broken(), job)).toBe(-1)
  })

  test.each<[string, RetryOption, string]>([
    ['a bad policy', -1, 'backoffStrategy: ours: expected a number of retries'],
    [
      'a name alone',
      'http-aware',
      'http-aware is a plug-in’s name; give what its function returns',
    ],
  ])('refuses %s', (_name, retry, message) => {
    const attempt = () => backoffStrategy({ ours: retry })
    expect(attempt).toThrow(DefinitionError)
    expect(attempt).toThrow(message.replace('’', "'"))
  })
})
