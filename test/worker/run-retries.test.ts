import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  flow,
  NonRetryable,
  policy,
  RunFailed,
  type RunSnapshot,
  Runs,
  type TaskContext,
  task,
} from '../../src/index.ts'
import { describeWithRedis, redisUrl } from '../setup/namespace.ts'
import { eventually, nodeOf, type OnTestFinished, openScene, type Scene } from './scene.ts'

const none = z.object({})

function openRuns(onTestFinished: OnTestFinished) {
  const scene = openScene(onTestFinished)
  const runs = new Runs({ redis: redisUrl(), namespace: scene.namespace })
  onTestFinished(() => runs.close())
  return { ...scene, runs }
}

/** first → second; `second` does what the test says, `first` always succeeds. */
function pair(second: (ctx: TaskContext) => unknown, options: { timeout?: number } = {}) {
  const calls: string[] = []
  const work = task(
    { name: 'work', input: z.object({ after: z.unknown() }), ...options },
    async (_, ctx) => {
      calls.push(`${ctx.node} ${ctx.run.retryNumber}`)
      return ctx.node === 'second' ? ((await second(ctx)) ?? null) : 'first'
    },
  )
  const build = () => {
    const first = work.with({ key: 'first' })({ after: 1 })
    return work.with({ key: 'second' })({ after: first })
  }
  return { calls, build, plain: flow({ name: 'plain', input: none }, build) }
}

const broken = () => {
  throw new Error('broken')
}

/** The run once it is known whether it is retried. */
async function decided({ producer }: Scene, runId: string): Promise<RunSnapshot> {
  return await eventually(async () => {
    const run = await producer.run(runId).read()
    if (run?.state !== 'failed' || (run.willRetry && run.retriedBy === null)) {
      throw new Error('nothing is decided yet')
    }
    return run
  })
}

/** The run and those that retry it, once the last one has ended. */
async function lineage(scene: Scene, runId: string): Promise<RunSnapshot[]> {
  const run = await decided(scene, runId)
  return run.retriedBy === null ? [run] : [run, ...(await lineage(scene, run.retriedBy))]
}

const stopOf = ({ retryDecision: decision }: RunSnapshot) =>
  decision?.action === 'stop' ? decision.reason : null

describeWithRedis('a run that is retried as a whole', () => {
  test('executes what failed again, in a new run, until a run succeeds', async ({
    onTestFinished,
  }) => {
    const scene = openRuns(onTestFinished)
    const { calls, build } = pair(({ run }) => {
      if (run.retryNumber < 2) throw new Error('broken')
      return 'done'
    })
    const retried = flow({ name: 'retried', input: none, runRetry: { maxRetries: 3 } }, build)
    const enqueued: string[] = []
    await scene.startWorker({
      flows: [retried],
      hooks: { onRunEnqueued: ({ runId }) => enqueued.push(runId) },
    })
    const run = await scene.producer.enqueue(retried, {})
    expect(await run.result({ timeout: '30s' })).toBe('done')
    expect(calls).toEqual(['first 0', 'second 0', 'second 1', 'second 2'])
    expect(enqueued).toEqual([`${run.id}~1`, `${run.id}~1~1`])
    expect(await run.state()).toBe('failed')
    const first = await decided(scene, run.id)
    expect(first).toMatchObject({
      willRetry: true,
      retriedBy: `${run.id}~1`,
      reruns: [`${run.id}~1`],
      retryDecision: { action: 'retry', retryNumber: 1, maxRetries: 3, delayMs: 0 },
      runRetry: { maxRetries: 3, strategy: 'from-failure' },
    })
    expect(await scene.runs.get(`${run.id}~1~1`)).toMatchObject({
      state: 'succeeded',
      rootId: run.id,
      willRetry: false,
      rerun: { of: `${run.id}~1`, by: 'retry', retryNumber: 2, delays: [0, 0] },
    })
  })

  test('fails for good after maxRetries, and the result says so', async ({ onTestFinished }) => {
    const scene = openRuns(onTestFinished)
    const { calls, plain } = pair(broken)
    await scene.startWorker({ flows: [plain] })
    const run = await scene.producer.enqueue(
      plain,
      {},
      { runRetry: { maxRetries: 2, strategy: 'all' } },
    )
    const failed = await run.result({ timeout: '30s' }).catch((error: unknown) => error)
    expect(failed).toBeInstanceOf(RunFailed)
    expect(failed).toMatchObject({ runId: `${run.id}~1~1`, node: 'second', willRetry: false })
    await expect(run.result({ timeout: '30s', followRetries: false })).rejects.toMatchObject({
      runId: run.id,
      willRetry: true,
    })
    expect(calls).toEqual([0, 1, 2].flatMap((n) => [`first ${n}`, `second ${n}`]))
    const all = await lineage(scene, run.id)
    expect(all.map(({ willRetry }) => willRetry)).toEqual([true, true, false])
    expect(stopOf(all[2] as RunSnapshot)).toBe('exhausted')
  })

  test('takes the enqueue before the flow before the worker', async ({ onTestFinished }) => {
    const scene = openRuns(onTestFinished)
    const { plain, build } = pair(broken)
    const own = flow({ name: 'own', input: none, runRetry: 2 }, build)
    const off = flow({ name: 'off', input: none, runRetry: false }, build)
    await scene.startWorker({ flows: [plain, own, off], defaults: { runRetry: 1 } })
    const retriesOf = async (started: { id: string }) =>
      (await lineage(scene, started.id)).length - 1
    const { producer } = scene
    expect(await retriesOf(await producer.enqueue(plain, {}))).toBe(1)
    expect(await retriesOf(await producer.enqueue(own, {}))).toBe(2)
    expect(await retriesOf(await producer.enqueue(off, {}))).toBe(0)
    expect(await retriesOf(await producer.enqueue(own, {}, { runRetry: 3 }))).toBe(3)
    expect(await retriesOf(await producer.enqueue(own, {}, { runRetry: 0 }))).toBe(0)
    expect(await retriesOf(await producer.enqueue(own, {}, { retries: 'off' }))).toBe(0)
  })

  test('waits as its policy says, and is scheduled meanwhile', async ({ onTestFinished }) => {
    const scene = openRuns(onTestFinished)
    const { plain } = pair(broken)
    await scene.startWorker({ flows: [plain] })
    const run = await scene.producer.enqueue(
      plain,
      {},
      { runRetry: { maxRetries: 1, policy: policy.constant({ delay: '1h', maxRetries: 0 }) } },
    )
    const { retryDecision, endedAt } = await decided(scene, run.id)
    expect(retryDecision).toMatchObject({ action: 'retry', delayMs: 3_600_000, maxRetries: 1 })
    const waiting = await scene.runs.get(`${run.id}~1`)
    expect(waiting).toMatchObject({ state: 'scheduled', openedAt: null })
    const dueIn = (waiting.openedAt === null ? (waiting.dueAt ?? 0) : 0) - (endedAt ?? 0)
    expect(dueIn).toBeGreaterThanOrEqual(3_600_000)
    expect(await scene.queue().getDelayedCount()).toBe(1)
    // What it reuses is kept for longer than it waits.
    expect(await scene.redis.pttl(`${scene.prefix}/out:${run.id}`)).toBeGreaterThan(7 * 86_400_000)
    await expect(scene.runs.rerun(run.id)).rejects.toMatchObject({ code: 'run_state' })
  })

  test('asks the policy about the failure that ended the run', async ({ onTestFinished }) => {
    const scene = openRuns(onTestFinished)
    const { plain } = pair(() => {
      throw Object.assign(new Error('no'), { code: 'EBAD' })
    })
    await scene.startWorker({ flows: [plain] })
    const matching = { policy: policy.constant({ delay: 0, retryOn: ['EOTHER'] }), maxRetries: 1 }
    const run = await scene.producer.enqueue(plain, {}, { runRetry: matching })
    const ended = await decided(scene, run.id)
    expect([ended.willRetry, stopOf(ended)]).toEqual([false, 'not_in_retry_on'])
  })

  test('ends with an error that asks for no retry', async ({ onTestFinished }) => {
    const scene = openRuns(onTestFinished)
    const { plain } = pair(() => {
      throw new NonRetryable('no')
    })
    await scene.startWorker({ flows: [plain] })
    const run = await scene.producer.enqueue(plain, {}, { runRetry: 1 })
    expect(stopOf(await decided(scene, run.id))).toBe('non_retryable')
  })

  describe('for some kinds of failures only', () => {
    test('retries a timeout, but no error, nor both in one run', async ({ onTestFinished }) => {
      const scene = openRuns(onTestFinished)
      const slow = task(
        { name: 'slow', input: none, timeout: 50 },
        (_, { signal }) =>
          new Promise((_resolve, reject) =>
            signal.addEventListener('abort', () => reject(signal.reason)),
          ),
      )
      const bad = task({ name: 'bad', input: none }, broken)
      const late = flow({ name: 'late', input: none }, () => slow({}))
      const wrong = flow({ name: 'wrong', input: none }, () => bad({}))
      const both = flow({ name: 'both', input: none }, () => [slow({}), bad({})])
      await scene.startWorker({ flows: [late, wrong, both] })
      const runRetry = { maxRetries: 1, kinds: ['crash', 'timeout'] as const }
      const { producer } = scene
      const timedOut = await lineage(scene, (await producer.enqueue(late, {}, { runRetry })).id)
      expect(timedOut.map(({ willRetry }) => willRetry)).toEqual([true, false])
      for (const flowWithError of [wrong, both]) {
        const run = await producer.enqueue(flowWithError, {}, { runRetry })
        expect(stopOf(await decided(scene, run.id))).toBe('not_in_kinds')
      }
    })
  })

  test('that has a map is retried as a whole only', async ({ onTestFinished }) => {
    const scene = openRuns(onTestFinished)
    const calls: string[] = []
    const work = task({ name: 'work', input: z.number() }, (n, ctx) => {
      calls.push(`${ctx.node} ${ctx.run.retryNumber}`)
      if (n === 2 && ctx.run.retryNumber === 0) throw new Error('broken')
      return n * 10
    })
    const mapped = flow({ name: 'mapped', input: z.array(z.number()) }, (numbers) =>
      work.map(numbers),
    )
    await scene.startWorker({ flows: [mapped] })
    const run = await scene.producer.enqueue(mapped, [1, 2], { runRetry: 1 })
    expect(stopOf(await decided(scene, run.id))).toBe('policy_error')
    await expect(scene.runs.rerun(run.id)).rejects.toMatchObject({
      code: 'run_state',
      message: expect.stringContaining("the strategy 'all'"),
    })
    await expect(scene.runs.retry(run.id, 'work[0]')).rejects.toMatchObject({ code: 'run_state' })

    calls.length = 0
    const runRetry = { maxRetries: 1, strategy: 'all' } as const
    const retried = await scene.producer.enqueue(mapped, [1, 2], { runRetry })
    expect(await retried.result({ timeout: '30s' })).toEqual([10, 20])
    expect(calls.toSorted()).toEqual(['work[0] 0', 'work[0] 1', 'work[1] 0', 'work[1] 1'])
  })

  test('is not retried when it was refused, nor when it succeeded', async ({ onTestFinished }) => {
    const scene = openRuns(onTestFinished)
    const { plain } = pair(() => 'done')
    await scene.startWorker({ flows: [plain], defaults: { runRetry: 5 } })
    const good = await scene.producer.enqueue(plain, {})
    await good.result({ timeout: '30s' })
    const refused = await scene.producer.enqueue({ flow: 'plain' }, 'x')
    await expect(refused.result({ timeout: '30s' })).rejects.toMatchObject({
      reason: 'invalid_input',
      willRetry: false,
    })
    for (const { id } of [good, refused])
      expect((await scene.producer.run(id).read())?.reruns).toEqual([])
    expect(await scene.redis.zcard(`${scene.prefix}/duties`)).toBe(0)
  })

  test('counts automatic retries only', async ({ onTestFinished }) => {
    const scene = openRuns(onTestFinished)
    const { plain } = pair(broken)
    await scene.startWorker({ flows: [plain] })
    const run = await scene.producer.enqueue(
      plain,
      {},
      { runRetry: { maxRetries: 1, kinds: ['crash'] } },
    )
    await decided(scene, run.id)
    // By hand, twice; none of them is an automatic retry.
    const one = await scene.runs.rerun(run.id)
    await decided(scene, one.id)
    const two = await scene.runs.rerun(one.id)
    expect((await decided(scene, two.id)).rerun).toMatchObject({ retryNumber: 0, by: 'hand' })
  })

  test('will not be retried when what the retry needs is gone', async ({ onTestFinished }) => {
    const scene = openRuns(onTestFinished)
    const { plain } = pair(broken)
    await scene.startWorker({ flows: [plain] })
    const runRetry = { maxRetries: 1, policy: policy.constant({ delay: '2s' }) }
    const run = await scene.producer.enqueue(plain, {}, { runRetry })
    expect((await decided(scene, run.id)).willRetry).toBe(true)
    await scene.redis.hdel(`${scene.prefix}/out:${run.id}`, '0')
    await eventually(async () => {
      const ended = await decided(scene, run.id)
      expect([ended.willRetry, stopOf(ended)]).toEqual([false, 'result_expired'])
    })
    await expect(run.result({ timeout: '30s' })).rejects.toMatchObject({
      runId: run.id,
      node: 'second',
    })
    expect((await scene.runs.get(`${run.id}~1`)).refusal?.reason).toBe('result_expired')
  })
})

describeWithRedis('runs.retry', () => {
  test('executes a failed node again in its run, with its attempts going on', async ({
    onTestFinished,
  }) => {
    const scene = openRuns(onTestFinished)
    const faults = new Set(['second'])
    const { calls, plain } = pair(({ node }) => (faults.has(node) ? broken() : 'done'))
    await scene.startWorker({ flows: [plain] })
    const run = await scene.producer.enqueue(plain, {})
    await expect(run.result({ timeout: '30s' })).rejects.toBeInstanceOf(RunFailed)
    faults.clear()
    await scene.runs.retry(run.id, 'second')
    await eventually(async () => expect(await run.state()).toBe('succeeded'))
    expect(await run.result({ timeout: '30s' })).toBe('done')
    expect(calls).toEqual(['first 0', 'second 0', 'second 0'])
    const ended = await scene.producer.run(run.id).read()
    expect(ended && nodeOf(ended, 'second')).toMatchObject({ attempts: 2, state: 'succeeded' })
  })

  test('executes a failed item of a map again', async ({ onTestFinished }) => {
    const scene = openRuns(onTestFinished)
    const faults = new Set(['work[1]'])
    const work = task({ name: 'work', input: z.number() }, (n, { node }) => {
      if (faults.has(node)) throw new Error('broken')
      return n * 10
    })
    const mapped = flow({ name: 'mapped', input: z.array(z.number()) }, (numbers) =>
      work.map(numbers),
    )
    await scene.startWorker({ flows: [mapped] })
    const run = await scene.producer.enqueue(mapped, [1, 2, 3])
    await expect(run.result({ timeout: '30s' })).rejects.toMatchObject({ node: 'work[1]' })
    faults.clear()
    await scene.runs.retry(run.id, 'work[1]')
    await eventually(async () => expect(await run.state()).toBe('succeeded'))
    expect(await run.result({ timeout: '30s' })).toEqual([10, 20, 30])
  })

  test('lets the run be retried as a whole anew', async ({ onTestFinished }) => {
    const scene = openRuns(onTestFinished)
    let error: Error = new NonRetryable('first')
    const { plain } = pair(() => {
      throw error
    })
    await scene.startWorker({ flows: [plain] })
    const run = await scene.producer.enqueue(plain, {}, { runRetry: 1 })
    expect((await decided(scene, run.id)).willRetry).toBe(false)
    error = new Error('second')
    await scene.runs.retry(run.id)
    await eventually(async () => expect((await decided(scene, run.id)).willRetry).toBe(true))
    const [, last] = await lineage(scene, run.id)
    expect(last?.id).toBe(`${run.id}~1`)
    // It has a rerun now, which may use its results.
    await expect(scene.runs.retry(run.id)).rejects.toMatchObject({
      code: 'run_state',
      message: expect.stringContaining('rerun that one'),
    })
  })

  test('is refused with what to do instead', async ({ onTestFinished }) => {
    const scene = openRuns(onTestFinished)
    const { plain } = pair(() => 'done')
    const bad = task({ name: 'bad', input: none }, broken)
    const alert = task({ name: 'alert', input: none }, () => 'sent')
    const watched = flow({ name: 'watched', input: none }, () => {
      const failing = bad({})
      alert.with({ after: [failing], trigger: 'any_failed' })({})
    })
    await scene.startWorker({ flows: [plain, watched] })
    const { producer, runs } = scene
    const good = await producer.enqueue(plain, {})
    await good.result({ timeout: '30s' })
    const refusal = (message: string) => ({
      code: 'run_state',
      message: expect.stringContaining(message),
    })
    await expect(runs.retry(good.id)).rejects.toMatchObject(refusal('use rerun'))
    await expect(runs.retry(good.id, 'third')).rejects.toMatchObject({ code: 'unknown_node' })
    const failed = await producer.enqueue(watched, {})
    await expect(failed.result({ timeout: '30s' })).rejects.toBeInstanceOf(RunFailed)
    await expect(runs.retry(failed.id, 'bad')).rejects.toMatchObject(refusal('use rerun'))
    await expect(runs.retry(failed.id, 'alert')).rejects.toMatchObject(refusal('alert'))
    await expect(runs.retry('0-01JD2Y4S5T6V7W8X9YZABCDEFG')).rejects.toMatchObject({
      code: 'unknown_run',
    })
  })
  test('counts attempts over the line of runs where the policy says so', async ({
    onTestFinished,
  }) => {
    const scene = openRuns(onTestFinished)
    const retry = policy.constant({ delay: 1, maxRetries: 5, maxTotalAttempts: 4 })
    const bad = task({ name: 'bad', input: none, retry }, broken)
    const limited = flow({ name: 'limited', input: none, runRetry: 2 }, () => bad({}))
    await scene.startWorker({ flows: [limited] })
    const run = await scene.producer.enqueue(limited, {})
    const runs = await lineage(scene, run.id)
    // The first attempt of each run is always made: the limit is asked after failures.
    expect(runs.map((one) => nodeOf(one, 'bad').attempts)).toEqual([4, 1, 1])
    expect(runs[2]?.nodes[0]?.log.at(-1)?.decision).toMatchObject({
      action: 'stop',
      reason: 'exhausted',
      detail: '6 attempts made, maxTotalAttempts is 4',
    })
  })
})
