import { expect, test } from 'vitest'
import { z } from 'zod'
import { childRunId } from '../../src/core/ids.ts'
import {
  flow,
  NonRetryable,
  policy,
  Runs,
  type Task,
  type TaskContext,
  task,
} from '../../src/index.ts'
import { describeWithRedis, redisUrl } from '../setup/namespace.ts'
import {
  eventually,
  newGate,
  type OnTestFinished,
  openScene,
  runEnd,
  stopReasonOf,
} from './scene.ts'

const AT_ONCE = policy.constant({ delay: 1, maxRetries: 3 })

/** What the child's handler saw. */
interface Seen {
  readonly n: number
  readonly run: TaskContext['run']
  readonly idempotencyKey: string
}

/** A flow whose node starts children by `start`, and the child that it starts. */
function family(start: (ctx: TaskContext, child: Task<{ n: number }, number>) => Promise<unknown>) {
  const seen: Seen[] = []
  const childTask = task({ name: 'child', input: z.object({ n: z.number() }) }, ({ n }, ctx) => {
    seen.push({ n, run: ctx.run, idempotencyKey: ctx.idempotencyKey })
    return n * 2
  })
  const parentTask = task(
    { name: 'parent', input: z.object({}), retry: AT_ONCE },
    async (_input, ctx) => (await start(ctx, childTask)) ?? null,
  )
  const parent = flow({ name: 'parent', input: z.object({}) }, () => parentTask({}))
  return { parent, childTask, seen }
}

function openRuns(onTestFinished: OnTestFinished) {
  const scene = openScene(onTestFinished)
  const runs = new Runs({ redis: redisUrl(), namespace: scene.namespace })
  onTestFinished(() => runs.close())
  return { ...scene, runs }
}

describeWithRedis('ctx.enqueue', () => {
  test('starts a run that knows its parent and its root, and its parent knows it', async ({
    onTestFinished,
  }) => {
    const { producer, runs, startWorker } = openRuns(onTestFinished)
    const { parent, childTask, seen } = family((ctx, child) => ctx.enqueue(child, { n: 1 }))
    await startWorker({ flows: [parent], tasks: [childTask] })

    const run = await producer.enqueue(parent, {}, { tags: ['top'] })
    const { id } = z.object({ id: z.string() }).parse(await run.result())

    expect(await producer.run(id).result()).toBe(2)
    expect(seen).toMatchObject([{ n: 1, run: { id, rootId: run.id, parentId: run.id } }])
    expect(await runs.get(id)).toMatchObject({
      flow: 'task:child',
      tags: [],
      rootId: run.id,
      parent: { runId: run.id, node: 'parent' },
      children: [],
    })
    expect(await runs.get(run.id)).toMatchObject({
      rootId: run.id,
      parent: null,
      children: [{ node: 'parent', key: 'child#1', runId: id, flow: 'task:child' }],
    })
  })

  test('takes a flow, or a name, and the options of an enqueue', async ({ onTestFinished }) => {
    const { producer, runs, startWorker } = openRuns(onTestFinished)
    const double = task({ name: 'double', input: z.object({ n: z.number() }) }, ({ n }) => n * 2)
    const leaf = flow({ name: 'leaf', input: z.object({ n: z.number() }) }, (input) =>
      double({ n: input.n }),
    )
    const { parent } = family(async (ctx) => [
      await ctx.enqueue(leaf, { n: 1 }),
      await ctx.enqueue({ flow: 'leaf' }, { n: 2 }, { key: 'named', tags: ['a'], delay: '1h' }),
    ])
    await startWorker({ flows: [parent, leaf] })
    const run = await producer.enqueue(parent, {})

    const [first, second] = z.array(z.object({ id: z.string() })).parse(await run.result())

    expect(await producer.run(first?.id ?? '').result()).toBe(2)
    expect(await runs.get(second?.id ?? '')).toMatchObject({
      state: 'scheduled',
      flow: 'leaf',
      input: { n: 2 },
      tags: ['a'],
      rootId: run.id,
      parent: { runId: run.id, node: 'parent' },
    })
    expect((await runs.get(run.id)).children.map(({ key }) => key)).toEqual(['leaf#1', 'named'])
  })

  test('keeps the root over generations, and gives runs of one node children of their own', async ({
    onTestFinished,
  }) => {
    const { producer, runs, startWorker } = openRuns(onTestFinished)
    const seen: TaskContext['run'][] = []
    const leaf = task({ name: 'leaf', input: z.object({ n: z.number() }) }, (_input, ctx) => {
      seen.push(ctx.run)
    })
    const middle = task({ name: 'middle', input: z.object({ n: z.number() }) }, (input, ctx) =>
      ctx.enqueue(leaf, input),
    )
    const { parent } = family(async (ctx) => [
      await ctx.enqueue(middle, { n: 1 }),
      await ctx.enqueue(middle, { n: 1 }),
    ])
    await startWorker({ flows: [parent], tasks: [middle, leaf] })
    const run = await producer.enqueue(parent, {})
    const [one, other] = z.array(z.object({ id: z.string() })).parse(await run.result())

    await eventually(() => expect(seen).toHaveLength(2))

    expect(new Set(seen.map(({ id }) => id)).size).toBe(2)
    expect(seen.map(({ rootId }) => rootId)).toEqual([run.id, run.id])
    expect(new Set(seen.map(({ parentId }) => parentId))).toEqual(new Set([one?.id, other?.id]))
    for (const { id } of seen) expect((await runs.get(id)).rootId).toBe(run.id)
  })

  test('gives siblings of one input idempotency keys of their own', async ({ onTestFinished }) => {
    const { producer, startWorker } = openRuns(onTestFinished)
    const { parent, childTask, seen } = family(async (ctx, child) => {
      await ctx.enqueue(child, { n: 1 })
      await ctx.enqueue(child, { n: 1 })
    })
    await startWorker({ flows: [parent], tasks: [childTask] })
    await (await producer.enqueue(parent, {})).result()

    await eventually(() => expect(seen).toHaveLength(2))

    expect(new Set(seen.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(2)
  })
})

describeWithRedis('ctx.enqueue in a later attempt', () => {
  /** Starts two children in each attempt, and fails the first two attempts after that; `between` runs before they fail. */
  function retried(between: (attempt: number) => Promise<void> = async () => {}) {
    const answers: string[][] = []
    const family_ = family(async (ctx, child) => {
      const ids = [
        (await ctx.enqueue(child, { n: ctx.attempt * 10 + 1 })).id,
        (await ctx.enqueue(child, { n: ctx.attempt * 10 + 2 })).id,
      ]
      answers.push(ids)
      await between(ctx.attempt)
      if (ctx.attempt < 3) throw new Error('after the enqueue')
    })
    return { ...family_, answers }
  }

  test('starts no second child for the same call', async ({ onTestFinished }) => {
    const { producer, runs, startWorker } = openRuns(onTestFinished)
    const { parent, childTask, seen, answers } = retried()
    const enqueued: string[] = []
    await startWorker({
      flows: [parent],
      tasks: [childTask],
      hooks: { onRunEnqueued: ({ runId }) => enqueued.push(runId) },
    })
    const run = await producer.enqueue(parent, {})
    await run.result()

    expect(answers).toHaveLength(3)
    expect(new Set(answers.flat()).size).toBe(2)
    const [ids = []] = answers
    await Promise.all(ids.map((id) => producer.run(id).result()))
    // What the first attempt said counts.
    expect(seen.map(({ n }) => n).sort()).toEqual([11, 12])
    expect(enqueued).toEqual(ids)
    expect((await runs.get(run.id)).children.map(({ runId }) => runId)).toEqual(ids)
  })

  test('starts none when the attempt was lost before the call was recorded', async ({
    onTestFinished,
  }) => {
    const { producer, redis, prefix, startWorker } = openRuns(onTestFinished)
    let runId = ''
    const { parent, childTask, seen, answers } = retried(async (attempt) => {
      // As a worker leaves it that dies between the job and the record, and is noticed after the child's end.
      for (const id of answers[attempt - 1] ?? []) await runEnd(producer.run(id))
      await redis.hdel(`${prefix}/run:${runId}`, 'y0.child#1', 'y0.child#2')
    })
    const run = await producer.enqueue(parent, {})
    runId = run.id
    await startWorker({ flows: [parent], tasks: [childTask] })
    await run.result()

    expect(new Set(answers.flat()).size).toBe(2)
    const settled = await producer.enqueue(childTask, { n: 0 })
    await settled.result()
    expect(seen.map(({ n }) => n).sort()).toEqual([0, 11, 12])
  })

  test('starts none when the child has been removed after its retention', async ({
    onTestFinished,
  }) => {
    const { producer, redis, prefix, startWorker } = openRuns(onTestFinished)
    const { parent, childTask, seen, answers } = retried(async (attempt) => {
      if (attempt > 1) return
      for (const id of answers[0] ?? []) {
        await runEnd(producer.run(id))
        await redis.del(`${prefix}/run:${id}`, `${prefix}/out:${id}`, `${prefix}/log:${id}`)
      }
    })
    await startWorker({ flows: [parent], tasks: [childTask] })
    await (await producer.enqueue(parent, {})).result()

    const last = await producer.enqueue(childTask, { n: 0 })
    await last.result()
    expect(seen.map(({ n }) => n).sort()).toEqual([0, 11, 12])
  })

  test('starts no second child after a retry by hand', async ({ onTestFinished }) => {
    const { producer, runs, queue, startWorker } = openRuns(onTestFinished)
    const { parent, childTask, seen } = family(async (ctx, child) => {
      await ctx.enqueue(child, { n: ctx.attempt })
      if (ctx.attempt === 1) throw new NonRetryable('once')
    })
    await startWorker({ flows: [parent], tasks: [childTask] })
    const run = await producer.enqueue(parent, {})
    await runEnd(run)
    const job = await eventually(async () => {
      const failed = await queue().getJob(run.id)
      expect(await failed?.isFailed()).toBe(true)
      return failed
    })
    await job?.retry('failed')
    await eventually(async () => expect(await run.state()).toBe('succeeded'))

    const { children } = await runs.get(run.id)
    expect(children).toHaveLength(1)
    await producer.run(children[0]?.runId ?? '').result()
    expect(seen.map(({ n }) => n)).toEqual([1])
  })

  test('tells calls apart by their keys, in whatever order they come', async ({
    onTestFinished,
  }) => {
    const { producer, startWorker } = openRuns(onTestFinished)
    const { parent, childTask, seen } = family(async (ctx, child) => {
      const numbers = ctx.attempt === 1 ? [1, 2] : [3, 2, 1]
      await Promise.all(numbers.map((n) => ctx.enqueue(child, { n }, { key: `part-${n}` })))
      if (ctx.attempt === 1) throw new Error('after two')
    })
    await startWorker({ flows: [parent], tasks: [childTask] })
    await (await producer.enqueue(parent, {})).result()

    await eventually(() => expect(seen).toHaveLength(3))
    expect(seen.map(({ n }) => n).sort()).toEqual([1, 2, 3])
  })
})

describeWithRedis('ctx.enqueue refuses', () => {
  test.for<[string, (ctx: TaskContext, child: never) => Promise<unknown>, RegExp]>([
    [
      'a key that the attempt has used',
      async (ctx, child) => {
        await ctx.enqueue(child, { n: 1 } as never, { key: 'a' })
        await ctx.enqueue(child, { n: 2 } as never, { key: 'a' })
      },
      /the key a was used before in this attempt of parent; give each call a key of its own/,
    ],
    [
      'a key that is none',
      (ctx, child) => ctx.enqueue(child, { n: 1 } as never, { key: 'a#1' }),
      /expected 1 to 100 letters.*\n.*at key/,
    ],
    [
      'an input that does not fit',
      (ctx, child) => ctx.enqueue(child, { n: 'one' } as never),
      /task child: the input is not valid:\n.*expected number, received string\n.*at n/,
    ],
    [
      'an option that it does not know',
      (ctx, child) => ctx.enqueue(child, { n: 1 } as never, { parent: 'x' } as never),
      /enqueue options: .*parent/,
    ],
    ['what is no target', (ctx) => ctx.enqueue(7 as never, {} as never), /expected a flow, a task/],
  ])('%s', async ([, start, message], { onTestFinished }) => {
    const { producer, startWorker } = openRuns(onTestFinished)
    const { parent, childTask } = family(async (ctx, child) => {
      await start(ctx, child as never).catch((error: Error) => {
        throw new NonRetryable(error.message)
      })
    })
    await startWorker({ flows: [parent], tasks: [childTask] })
    const run = await runEnd(await producer.enqueue(parent, {}))
    expect(run.nodes[0]?.log[0]?.error?.message).toMatch(message)
    expect(stopReasonOf(run, 'parent')).toBe('non_retryable')
  })

  test('an attempt that was aborted', async ({ onTestFinished }) => {
    const { producer, runs, startWorker } = openRuns(onTestFinished)
    const over = newGate()
    const late = newGate()
    let refusal: unknown
    const slow = task(
      { name: 'slow', input: z.object({}), timeout: 50 },
      async (_input, ctx: TaskContext) => {
        await over.opened
        await ctx.enqueue({ task: 'child' }, {}).catch((error: unknown) => {
          refusal = error
        })
        late.open()
      },
    )
    const one = flow({ name: 'one', input: z.object({}) }, () => slow({}))
    await startWorker({ flows: [one] })
    const run = await producer.enqueue(one, {})
    await runEnd(run)
    over.open()
    await late.opened

    expect(refusal).toMatchObject({ name: 'TimeoutError' })
    expect((await runs.get(run.id)).children).toEqual([])
    const child = runs.get(childRunId(run.id, 'slow', 'child#1'))
    await expect(child).rejects.toMatchObject({ code: 'unknown_run' })
  })
})
