import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  type DagsterRunRetriesOptions,
  dagsterRunRetries,
  prefectFlowRetries,
  prefectRetries,
} from '../../src/compat/index.ts'
import { Coordinator } from '../../src/coordinator/coordinator.ts'
import { ShardKeys } from '../../src/coordinator/keys.ts'
import {
  DefinitionError,
  flow,
  NonRetryable,
  type Policy,
  policy,
  type RunRetryOptions,
  type RunSnapshot,
  Runs,
  task,
} from '../../src/index.ts'
import { describeWithRedis, redisUrl } from '../setup/namespace.ts'
import {
  eventually,
  type OnTestFinished,
  openScene,
  runEnd,
  TEST_TIMEOUT_MS,
} from '../worker/scene.ts'

const none = z.object({})
const MAX_RETRIES = 'dagster/max_retries'
const ON_FAILURE = 'dagster/retry_on_asset_or_op_failure'
const STRATEGY = 'dagster/retry_strategy'

/** A worker with a flow whose first node succeeds, and whose second one throws what `thrown` gives for its run. */
async function openJob(
  onTestFinished: OnTestFinished,
  runRetry: RunRetryOptions,
  {
    retry,
    thrown = () => new Error('broken'),
  }: { retry?: Policy; thrown?: (runId: string) => Error | null } = {},
) {
  const scene = openScene(onTestFinished)
  const runs = new Runs({ redis: redisUrl(), namespace: scene.namespace })
  onTestFinished(() => runs.close())
  const calls: string[] = []
  const step = task({ name: 'step', input: z.object({ after: z.unknown() }), retry }, (_, ctx) => {
    calls.push(ctx.node)
    const error = ctx.node === 'second' ? thrown(ctx.run.id) : null
    if (error) throw error
    return ctx.node
  })
  const job = flow({ name: 'job', input: none, runRetry }, () => {
    const first = step.with({ key: 'first', retry: policy.none() })({ after: 1 })
    return step.with({ key: 'second' })({ after: first })
  })
  await scene.startWorker({ flows: [job] })
  /** The run once it is known whether it is retried, and those that retry it. */
  const lineage = async (runId: string): Promise<RunSnapshot[]> => {
    const run = await eventually(async () => {
      const read = await runEnd(scene.producer.run(runId))
      if (read.willRetry && read.retriedBy === null) throw new Error('nothing is decided yet')
      return read
    })
    return run.retriedBy === null ? [run] : [run, ...(await lineage(run.retriedBy))]
  }
  const runIt = async () => lineage((await scene.producer.enqueue(job, {})).id)
  return { ...scene, runs, calls, job, lineage, runIt }
}

const willRetry = (runs: readonly RunSnapshot[]) => runs.map((run) => run.willRetry)

/** What Dagster's settings do with a run that fails for an error: how many retries it gets. */
const DAGSTER: readonly (readonly [string, string, DagsterRunRetriesOptions, number])[] = [
  ['K16', 'max_retries "2": three runs in all', { tags: { [MAX_RETRIES]: '2' } }, 2],
  ['K18', 'the tag "10" beats the default 0', { tags: { [MAX_RETRIES]: '10' }, maxRetries: 0 }, 10],
  ['K19', 'no number: no retry', { tags: { [MAX_RETRIES]: 'not-an-int' }, maxRetries: 2 }, 0],
  [
    'K20',
    'not for the failure of a step',
    { tags: { [MAX_RETRIES]: '2' }, retryOnAssetOrOpFailure: false },
    0,
  ],
  [
    'K21',
    'unless the tag says so',
    { tags: { [MAX_RETRIES]: '2', [ON_FAILURE]: 'true' }, retryOnAssetOrOpFailure: false },
    2,
  ],
]

describeWithRedis('the run retries of other systems, in a worker', () => {
  describe('of Dagster', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test.for(DAGSTER)('%s: %s', async ([, , settings, retries], { onTestFinished }) => {
      const { runIt } = await openJob(onTestFinished, dagsterRunRetries(settings))
      const runs = await runIt()
      expect(willRetry(runs)).toEqual([...Array.from({ length: retries }, () => true), false])
    })

    test('K23: an unknown strategy is FROM_FAILURE', async ({ onTestFinished }) => {
      const tags = { [MAX_RETRIES]: '1', [STRATEGY]: 'not a strategy' }
      const { runIt, calls } = await openJob(onTestFinished, dagsterRunRetries({ tags }))
      const [, retry] = await runIt()
      expect(retry?.rerun?.strategy).toBe('from-failure')
      expect(calls).toEqual(['first', 'second', 'second'])
    })

    test('K24: ALL_STEPS retries a run that was resumed from its failure as a whole', async ({
      onTestFinished,
    }) => {
      const tags = { [MAX_RETRIES]: '1', [STRATEGY]: 'ALL_STEPS' }
      // The first run asks for no retry, so that a person resumes it.
      const thrown = (runId: string) =>
        runId.includes('~') ? new Error('broken') : new NonRetryable('broken')
      const { runIt, runs, lineage, calls } = await openJob(
        onTestFinished,
        dagsterRunRetries({ tags }),
        { thrown },
      )
      const [first] = await runIt()
      expect(first?.willRetry).toBe(false)
      const { id } = await runs.rerun(first?.id ?? '')
      const [resumed, retry] = await lineage(id)
      expect(resumed?.rerun).toMatchObject({ strategy: 'from-failure', by: 'hand' })
      expect(retry?.rerun).toMatchObject({ strategy: 'all', by: 'retry', retryNumber: 1 })
      expect(retry?.runRetry?.strategy).toBe('all')
      expect(calls).toEqual(['first', 'second', 'second', 'first', 'second'])
    })

    test('K25: a retry that can’t be made is none', async ({ onTestFinished }) => {
      const { runs, producer, job, redis, prefix, lineage } = await openJob(
        onTestFinished,
        dagsterRunRetries({ maxRetries: 1 }),
      )
      const runRetry = { maxRetries: 1, policy: policy.constant({ delay: '3s' }) }
      const { id } = await producer.enqueue(job, {}, { runRetry })
      await eventually(async () =>
        expect((await runEnd(producer.run(id))).retriedBy).not.toBeNull(),
      )
      expect((await runEnd(producer.run(id))).willRetry).toBe(true)
      await redis.del(`${prefix}/out:${id}`)
      await eventually(async () => expect(await runs.get(id)).toMatchObject({ willRetry: false }))
      expect(willRetry(await lineage(id))).toEqual([false])
    })
  })

  test('K41: of Procrastinate, a manual retry of what has succeeded or was cancelled is an error', {
    timeout: TEST_TIMEOUT_MS,
  }, async ({ onTestFinished }) => {
    const { producer, job, runs, redis, namespace } = await openJob(
      onTestFinished,
      { maxRetries: 0 },
      { thrown: () => null },
    )
    const succeeded = await producer.enqueue(job, {})
    await succeeded.result({ timeout: '30s' })
    const cancelled = await producer.enqueue(job, {}, { delay: '1h' })
    const keys = new ShardKeys(namespace, 0)
    const retention = { succeededMs: 3_600_000, failedMs: 3_600_000 }
    await new Coordinator(redis, keys, { retention, maxCrashes: 3 }).cancel(cancelled.id)
    for (const [run, state] of [
      [succeeded, 'succeeded'],
      [cancelled, 'cancelled'],
    ] as const) {
      await expect(runs.retry(run.id)).rejects.toMatchObject({
        code: 'run_state',
        message: expect.stringContaining(`is ${state}`),
      })
    }
  })

  describe('of Prefect', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test('K58: retries=1 awaits a retry after the first run, and fails after the second', async ({
      onTestFinished,
    }) => {
      const { runIt } = await openJob(onTestFinished, prefectFlowRetries({ retries: 1 }))
      expect(willRetry(await runIt())).toEqual([true, false])
    })

    test('K59: retries of the flow and of its task multiply', async ({ onTestFinished }) => {
      const retry = prefectRetries({ retries: 2, retryDelaySeconds: 0.001 })
      const { runIt, calls } = await openJob(
        onTestFinished,
        prefectFlowRetries({ retries: 1, retryDelaySeconds: 0.01 }),
        { retry },
      )
      expect(await runIt()).toHaveLength(2)
      expect(calls.filter((node) => node === 'second')).toHaveLength(6)
    })

    test('K60: a task that succeeded is called once', async ({ onTestFinished }) => {
      const { producer, job, calls } = await openJob(
        onTestFinished,
        prefectFlowRetries({ retries: 1 }),
        { thrown: (runId) => (runId.includes('~') ? null : new Error('broken')) },
      )
      const run = await producer.enqueue(job, {})
      expect(await run.result({ timeout: '30s' })).toBe('second')
      expect(calls).toEqual(['first', 'second', 'second'])
    })
  })
})

describe('foreign settings that don’t fit', () => {
  test('are refused with what was expected', () => {
    expect(() => dagsterRunRetries({ maxRetries: -1 })).toThrow(DefinitionError)
    // @ts-expect-error what JavaScript users may pass
    expect(() => dagsterRunRetries({ tags: { [MAX_RETRIES]: 3 } })).toThrow(DefinitionError)
    expect(() => prefectFlowRetries({ retries: 1.5 })).toThrow(DefinitionError)
    expect(() => prefectFlowRetries({ retryDelaySeconds: -1 })).toThrow(DefinitionError)
  })
})
