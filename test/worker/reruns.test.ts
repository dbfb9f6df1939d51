import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  at,
  flow,
  orElse,
  type Policy,
  policy,
  Runs,
  settled,
  type TaskContext,
  task,
} from '../../src/index.ts'
import { describeWithRedis, redisUrl } from '../setup/namespace.ts'
import { eventually, nodeOf, type OnTestFinished, openScene, runEnd } from './scene.ts'

const none = z.object({})

/** What a handler saw when it was called. */
interface Call {
  readonly node: string
  readonly run: TaskContext['run']
  readonly key: string
  readonly fence: number
}

/** A task that fails while `broken` has its node. */
function steps(retry: Policy = policy.none()) {
  const calls: Call[] = []
  const broken = new Set<string>()
  const step = task(
    { name: 'step', input: z.object({ after: z.unknown() }), retry },
    (given, ctx) => {
      calls.push({ node: ctx.node, run: ctx.run, key: ctx.idempotencyKey, fence: ctx.fencingToken })
      if (broken.has(ctx.node)) throw new Error(`${ctx.node} is broken`)
      return { node: ctx.node, after: given.after }
    },
  )
  const nodes = () => calls.map(({ node }) => node)
  return { calls, broken, step, nodes }
}

function openRuns(onTestFinished: OnTestFinished) {
  const scene = openScene(onTestFinished)
  const runs = new Runs({ redis: redisUrl(), namespace: scene.namespace })
  onTestFinished(() => runs.close())
  return { ...scene, runs }
}

/** a → b → c, and a → side. */
function diamond(made: ReturnType<typeof steps>) {
  const { step } = made
  return flow({ name: 'diamond', input: none }, () => {
    const a = step.with({ key: 'a' })({ after: 'x' })
    const b = step.with({ key: 'b' })({ after: a.node })
    const side = step.with({ key: 'side' })({ after: a.node })
    return step.with({ key: 'c' })({ after: [b.node, side.node] })
  })
}

describeWithRedis('runs.rerun', () => {
  test('from the failure executes what failed and what depends on it, with the kept results', async ({
    onTestFinished,
  }) => {
    const { producer, runs, startWorker } = openRuns(onTestFinished)
    const made = steps()
    const example = diamond(made)
    made.broken.add('b')
    await startWorker({ flows: [example] })
    const run = await producer.enqueue(example, {}, { tags: ['nightly'] })
    expect((await runEnd(run)).state).toBe('failed')
    expect(made.nodes().toSorted()).toEqual(['a', 'b', 'side'])

    made.broken.clear()
    made.calls.length = 0
    const { id } = await runs.rerun(run.id)
    expect(id).toBe(`${run.id}~1`)
    expect(await producer.run(id).result({ timeout: '30s' })).toEqual({
      node: 'c',
      after: ['b', 'side'],
    })
    expect(made.nodes()).toEqual(['b', 'c'])
    expect(made.calls[0]?.run).toEqual({
      id,
      rootId: run.id,
      parentId: run.id,
      retryNumber: 0,
      flow: 'diamond',
    })

    const repeated = await runEnd(producer.run(id))
    expect(repeated).toMatchObject({
      state: 'succeeded',
      flow: 'diamond',
      tags: ['nightly'],
      rootId: run.id,
      rerun: { of: run.id, rootId: run.id, strategy: 'from-failure', by: 'hand', retryNumber: 0 },
    })
    expect(nodeOf(repeated, 'a')).toMatchObject({ state: 'succeeded', reused: true, attempts: 0 })
    expect(nodeOf(repeated, 'b')).toMatchObject({ state: 'succeeded', reused: false, attempts: 1 })
    expect(await runs.get(run.id)).toMatchObject({ state: 'failed', reruns: [id] })
    expect(await runs.node(id, 'a')).toMatchObject({ output: { node: 'a', after: 'x' } })
    const events = []
    for await (const { type, ...rest } of producer.run(id).events()) {
      events.push('node' in rest ? `${type} ${rest.node}` : type)
    }
    expect(events).toEqual([
      'run.opened',
      'attempt.started b',
      'node.succeeded b',
      'attempt.started c',
      'node.succeeded c',
      'run.ended',
    ])
  })

  test('of everything executes all nodes', async ({ onTestFinished }) => {
    const { producer, runs, startWorker } = openRuns(onTestFinished)
    const made = steps()
    const example = diamond(made)
    await startWorker({ flows: [example] })
    const run = await producer.enqueue(example, {})
    await run.result({ timeout: '30s' })
    made.calls.length = 0
    const { id } = await runs.rerun(run.id, { strategy: 'all' })
    await producer.run(id).result({ timeout: '30s' })
    expect(made.nodes().toSorted()).toEqual(['a', 'b', 'c', 'side'])
  })

  test('keeps a plan B and what it made up for, and decides anew what looked at a failure', async ({
    onTestFinished,
  }) => {
    const { producer, runs, startWorker } = openRuns(onTestFinished)
    const made = steps()
    const { step, broken } = made
    const example = flow({ name: 'plans', input: none }, () => {
      const main = step.with({ key: 'main' })({ after: 1 })
      const value = orElse(main, (failure) =>
        step.with({ key: 'spare' })({ after: failure.error.message }),
      )
      const late = step.with({ key: 'late' })({ after: value.node })
      step.with({ key: 'alert', after: [late], trigger: 'any_failed' })({ after: 2 })
      const seen = settled(late)
      return step.with({ key: 'last' })({ after: [seen.status, at(value, 'after')] })
    })
    broken.add('main').add('late')
    await startWorker({ flows: [example] })
    const run = await producer.enqueue(example, {})
    await runEnd(run)
    expect(made.nodes().toSorted()).toEqual(['alert', 'last', 'late', 'main', 'spare'])

    broken.clear()
    made.calls.length = 0
    const { id } = await runs.rerun(run.id)
    expect(await producer.run(id).result({ timeout: '30s' })).toEqual({
      node: 'last',
      after: ['succeeded', 'main is broken'],
    })
    expect(made.nodes()).toEqual(['late', 'last'])
    const repeated = await runEnd(producer.run(id))
    expect(nodeOf(repeated, 'main')).toMatchObject({
      state: 'failed',
      forgiven: true,
      reused: true,
      log: [{ attempt: 0, kind: 'error', error: { message: 'main is broken' } }],
    })
    expect(nodeOf(repeated, 'spare')).toMatchObject({ state: 'succeeded', reused: true })
    expect(nodeOf(repeated, 'alert')).toMatchObject({ state: 'skipped', skipReason: 'not_needed' })
  })

  test('of a rerun goes on from there', async ({ onTestFinished }) => {
    const { producer, runs, startWorker } = openRuns(onTestFinished)
    const made = steps()
    const example = diamond(made)
    made.broken.add('b')
    await startWorker({ flows: [example] })
    const run = await producer.enqueue(example, {})
    await runEnd(run)
    made.broken.delete('b')
    made.broken.add('c')
    const first = await runs.rerun(run.id)
    await runEnd(producer.run(first.id))
    made.broken.clear()
    const second = await runs.rerun(first.id)
    await producer.run(second.id).result({ timeout: '30s' })
    expect(second.id).toBe(`${run.id}~1~1`)
    expect(made.nodes().filter((node) => node !== 'side')).toEqual(['a', 'b', 'b', 'c', 'c'])
    expect(await runs.get(second.id)).toMatchObject({ rootId: run.id, rerun: { of: first.id } })
  })

  test('gives the same idempotency key to the same work, and tokens that grow', async ({
    onTestFinished,
  }) => {
    const { producer, runs, startWorker } = openRuns(onTestFinished)
    const made = steps()
    const example = diamond(made)
    made.broken.add('b')
    await startWorker({ flows: [example] })
    const run = await producer.enqueue(example, {})
    await runEnd(run)
    const rerunOf = async (id: string, strategy: 'all' | 'from-failure') => {
      const made = await runs.rerun(id, { strategy })
      await runEnd(producer.run(made.id))
      return made.id
    }
    const again = await rerunOf(run.id, 'from-failure')
    const all = await rerunOf(again, 'all')
    const after = await rerunOf(all, 'from-failure')
    const keyOf = (node: string, runId: string) =>
      made.calls.find((call) => call.node === node && call.run.id === runId)?.key
    const failing = [run.id, again, all, after].map((id) => keyOf('b', id))
    expect(new Set(failing).size, 'b never succeeded').toBe(1)
    expect(keyOf('a', all), 'a was executed again on purpose').not.toBe(keyOf('a', run.id))
    const fencesOf = (runId: string) =>
      made.calls.filter((call) => call.run.id === runId).map(({ fence }) => fence)
    const lineage = [run.id, again, all, after].map(fencesOf)
    for (const [i, fences] of lineage.entries()) {
      expect(Math.min(...fences)).toBeGreaterThan(Math.max(0, ...(lineage[i - 1] ?? [])))
    }
  })

  test('starts no second child for work that it repeats', async ({ onTestFinished }) => {
    const { producer, runs, redis, prefix, startWorker } = openRuns(onTestFinished)
    const children: string[] = []
    const faults = new Set(['starting'])
    const child = task({ name: 'child', input: none }, (_, ctx) => {
      children.push(ctx.run.id)
    })
    const starting = task({ name: 'starting', input: none }, async (_, ctx) => {
      const started = await ctx.enqueue(child, {})
      if (faults.has(ctx.node)) throw new Error('broken')
      return started.id
    })
    await startWorker({ tasks: [starting, child] })
    const run = await producer.enqueue(starting, {})
    await runEnd(run)
    const [first] = (await runs.get(run.id)).children
    await runEnd(producer.run(first?.runId ?? ''))
    // Its retention is over: only the record keeps the rerun from starting it again.
    await redis.del(`${prefix}/run:${first?.runId}`)
    faults.clear()
    const { id } = await runs.rerun(run.id)
    expect(await producer.run(id).result({ timeout: '30s' })).toBe(first?.runId)
    const last = await producer.enqueue(child, {})
    await last.result({ timeout: '30s' })
    expect(children).toEqual([first?.runId, last.id])
    expect((await runs.get(id)).children).toMatchObject([{ runId: first?.runId }])
  })

  test('reuses child runs that a node waited for, and starts the failed one anew', async ({
    onTestFinished,
  }) => {
    const { producer, runs, startWorker } = openRuns(onTestFinished)
    const faults = new Set(['good-leaf', 'bad-leaf'])
    const calls: string[] = []
    const work = task({ name: 'work', input: z.object({ n: z.number() }) }, ({ n }, { run }) => {
      calls.push(run.flow)
      if (run.flow === 'bad-leaf' && faults.has(run.flow)) throw new Error('broken')
      return n * 2
    })
    const leaf = (name: string) =>
      flow({ name, input: z.object({ n: z.number() }) }, (given) => work({ n: given.n }))
    const [good, bad] = [leaf('good-leaf'), leaf('bad-leaf')]
    const after = flow({ name: 'after', input: none }, () =>
      bad.asRun()({ n: good.asRun()({ n: 1 }) }),
    )
    const first = flow({ name: 'first', input: none }, () =>
      good.asRun()({ n: bad.asRun()({ n: 1 }) }),
    )
    await startWorker({ flows: [good, bad, after, first] })
    for (const [parent, once] of [
      [after, ['good-leaf', 'bad-leaf', 'bad-leaf']],
      [first, ['bad-leaf', 'bad-leaf', 'good-leaf']],
    ] as const) {
      faults.add('bad-leaf')
      calls.length = 0
      const run = await producer.enqueue(parent, {})
      expect((await runEnd(run)).state).toBe('failed')
      faults.clear()
      const { id } = await runs.rerun(run.id)
      expect(await producer.run(id).result({ timeout: '30s' })).toBe(4)
      expect(calls).toEqual(once)
      const reused = (await runEnd(producer.run(id))).nodes.filter((node) => node.reused)
      expect(reused.map(({ childFlow }) => childFlow)).toEqual(
        parent === after ? ['good-leaf'] : [],
      )
    }
  })

  describe('is refused', () => {
    test('for a run that goes on, has succeeded, or is being repeated', async ({
      onTestFinished,
    }) => {
      const { producer, runs, startWorker } = openRuns(onTestFinished)
      const made = steps(policy.constant({ delay: '1h', maxRetries: 1 }))
      const example = diamond(made)
      await startWorker({ flows: [example] })
      const good = await producer.enqueue(example, {})
      await good.result({ timeout: '30s' })
      await expect(runs.rerun(good.id)).rejects.toMatchObject({
        code: 'run_state',
        message: expect.stringContaining("strategy 'all'"),
      })
      made.broken.add('a')
      const waiting = await producer.enqueue(example, {})
      await eventually(async () => expect(await waiting.state()).toBe('retrying'))
      await expect(runs.rerun(waiting.id)).rejects.toMatchObject({
        code: 'run_state',
        message: expect.stringContaining('has not ended'),
      })
      const { id } = await runs.rerun(good.id, { strategy: 'all' })
      await eventually(async () => expect(await producer.run(id).state()).toBe('retrying'))
      await expect(runs.rerun(good.id, { strategy: 'all' })).rejects.toMatchObject({
        code: 'run_state',
        message: expect.stringContaining(`${id}, which has not ended`),
      })
    })

    test('for a run that nobody knows, that never opened, and for options that do not fit', async ({
      onTestFinished,
    }) => {
      const { producer, runs, startWorker } = openRuns(onTestFinished)
      const made = steps()
      await startWorker({ flows: [diamond(made)] })
      await expect(runs.rerun('x')).rejects.toMatchObject({ code: 'unknown_run' })
      await expect(runs.rerun('0-01JD2Y4S5T6V7W8X9YZABCDEFG')).rejects.toMatchObject({
        code: 'unknown_run',
      })
      const refused = await producer.enqueue({ flow: 'diamond' }, 7)
      await runEnd(refused)
      await expect(runs.rerun(refused.id)).rejects.toMatchObject({
        code: 'run_state',
        message: expect.stringContaining('never opened'),
      })
      // @ts-expect-error what JavaScript users may pass
      await expect(runs.rerun(refused.id, { strategy: 'some' })).rejects.toMatchObject({
        code: 'options',
        message: expect.stringContaining('from-failure'),
      })
    })
  })

  test('ends as failed, before anything runs, when a result is gone', async ({
    onTestFinished,
  }) => {
    const { producer, runs, redis, prefix, startWorker } = openRuns(onTestFinished)
    const made = steps()
    const example = diamond(made)
    made.broken.add('b')
    await startWorker({ flows: [example] })
    const run = await producer.enqueue(example, {})
    await runEnd(run)
    await redis.hdel(`${prefix}/out:${run.id}`, '0')
    made.calls.length = 0
    const { id } = await runs.rerun(run.id)
    await expect(producer.run(id).result({ timeout: '30s' })).rejects.toMatchObject({
      reason: 'result_expired',
      node: null,
    })
    expect(await runs.get(id)).toMatchObject({
      state: 'failed',
      refusal: { reason: 'result_expired' },
    })
    expect(made.calls).toEqual([])
    expect(await redis.zscore(`${prefix}/live`, id)).toBeNull()
    expect(await redis.pttl(`${prefix}/run:${id}`)).toBeGreaterThan(0)
  })
})

describeWithRedis('a run that waits to be repeated', () => {
  test('is to be seen as queued', async ({ onTestFinished }) => {
    const { producer, runs, startWorker } = openRuns(onTestFinished)
    const made = steps()
    const example = diamond(made)
    made.broken.add('b')
    const worker = await startWorker({ flows: [example] })
    const run = await producer.enqueue(example, {}, { tags: ['t'] })
    await runEnd(run)
    await worker.close()
    const { id } = await runs.rerun(run.id)
    expect(await runs.get(id)).toMatchObject({
      state: 'queued',
      openedAt: null,
      flow: 'diamond',
      tags: ['t'],
      rootId: run.id,
      rerun: { of: run.id },
    })
    expect(await producer.run(id).state()).toBe('queued')
    await expect(runs.retry(id)).rejects.toMatchObject({ code: 'run_state' })
  })
})
