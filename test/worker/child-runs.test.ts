import { expect, test } from 'vitest'
import { z } from 'zod'
import { Coordinator } from '../../src/coordinator/coordinator.ts'
import { ShardKeys } from '../../src/coordinator/keys.ts'
import { childRunId } from '../../src/core/ids.ts'
import { flow, orElse, policy, Runs, settled, task } from '../../src/index.ts'
import { describeWithRedis, redisUrl } from '../setup/namespace.ts'
import {
  eventually,
  kindsOf,
  newGate,
  nodeOf,
  type OnTestFinished,
  openScene,
  runEnd,
  runWith,
  stopReasonOf,
  TEST_TIMEOUT_MS,
} from './scene.ts'

const N = z.object({ n: z.number() })
const ONE = { concurrency: 1 }
const AT_ONCE = policy.constant({ delay: 1, maxRetries: 3 })

function openRuns(onTestFinished: OnTestFinished) {
  const scene = openScene(onTestFinished)
  const runs = new Runs({ redis: redisUrl(), namespace: scene.namespace })
  onTestFinished(() => runs.close())
  return { ...scene, runs }
}

/** A flow of one task, whose result is what `work` makes of `n`. */
function leafOf(work: (n: number) => unknown, name = 'leaf') {
  const double = task({ name: `${name}-work`, input: N }, async ({ n }) => {
    const result = await work(n)
    return typeof result === 'number' ? result : 0
  })
  return flow({ name, input: N }, (input) => double({ n: input.n }))
}

describeWithRedis('flow.asRun', () => {
  test('gives the output of a run of its own, which knows its parent', async ({
    onTestFinished,
  }) => {
    const { producer, runs, startWorker } = openRuns(onTestFinished)
    const leaf = leafOf((n) => n * 2)
    const add = task({ name: 'add', input: z.object({ a: z.number(), b: z.number() }) }, (input) =>
      Number(input.a + input.b),
    )
    const parent = flow({ name: 'parent', input: N }, (input) => {
      const first = leaf.asRun({ key: 'first' })({ n: input.n })
      return add({ a: first, b: leaf.asRun()({ n: first }) })
    })
    await startWorker({ flows: [parent, leaf] })

    const run = await producer.enqueue(parent, { n: 1 }, { tags: ['top'] })
    expect(await run.result()).toBe(6)

    const ended = await runEnd(run)
    const first = childRunId(run.id, 'first', 'leaf#1')
    expect(ended.children).toEqual([
      { node: 'first', key: 'leaf#1', runId: first, flow: 'leaf' },
      { node: 'leaf', key: 'leaf#1', runId: childRunId(run.id, 'leaf', 'leaf#1'), flow: 'leaf' },
    ])
    expect(nodeOf(ended, 'first')).toMatchObject({
      kind: 'run',
      task: null,
      childFlow: 'leaf',
      state: 'succeeded',
      attempts: 1,
      log: [],
    })
    expect(await runs.get(first)).toMatchObject({
      flow: 'leaf',
      state: 'succeeded',
      rootId: run.id,
      parent: { runId: run.id, node: 'first' },
      tags: [],
    })
    expect(await runs.node(run.id, 'leaf')).toMatchObject({ input: { n: 2 }, output: 4 })
  })

  test('waits in no slot: what it waits for is to be read, and its time counts for its attempt', async ({
    onTestFinished,
  }) => {
    const { producer, startWorker } = openRuns(onTestFinished)
    const gate = newGate()
    const leaf = leafOf(async (n) => {
      await gate.opened
      return n
    })
    const parent = flow({ name: 'parent', input: N }, (input) => leaf.asRun()({ n: input.n }))
    await startWorker({ flows: [parent, leaf], queues: { default: ONE } })
    const run = await producer.enqueue(parent, { n: 7 })

    const child = producer.run(childRunId(run.id, 'leaf', 'leaf#1'))
    const running = await runWith(child, 'leaf-work', 'running')
    const waiting = await runWith(run, 'leaf', 'waiting')

    expect(waiting.state).toBe('waiting')
    const node = nodeOf(waiting, 'leaf')
    expect(node).toMatchObject({ waitingFor: 'child', waitingForRun: child.id, attempts: 1 })
    expect(node.waitingSince).toBe(node.startedAt)
    expect(node.startedAt).toBeLessThanOrEqual(running.openedAt)
    gate.open()
    expect(await run.result()).toBe(7)
    const ended = await runEnd(run)
    expect(nodeOf(ended, 'leaf').startedAt).toBe(node.startedAt)
    const events = []
    for await (const event of run.events()) events.push(event.type)
    expect(events).toEqual(['run.opened', 'attempt.started', 'node.succeeded', 'run.ended'])
  })

  test('fails as its child fails, with the id of the child and the last error as the cause', async ({
    onTestFinished,
  }) => {
    const { producer, startWorker } = openRuns(onTestFinished)
    const leaf = leafOf(() => {
      throw Object.assign(new Error('no bread'), { code: 'EBREAD' })
    })
    const report = task(
      { name: 'report', input: z.object({ outcome: z.unknown() }) },
      ({ outcome }) => JSON.stringify(outcome),
    )
    const parent = flow({ name: 'parent', input: N }, (input) =>
      report({ outcome: settled(leaf.asRun()({ n: input.n })) }),
    )
    await startWorker({ flows: [parent, leaf] })
    const run = await producer.enqueue(parent, { n: 1 })
    const ended = await runEnd(run)

    const childId = childRunId(run.id, 'leaf', 'leaf#1')
    expect(ended.state).toBe('failed')
    expect(nodeOf(ended, 'leaf').log).toMatchObject([
      {
        attempt: 1,
        kind: 'error',
        error: {
          name: 'RunFailed',
          code: 'run_failed',
          message: `run ${childId} failed at leaf-work (no_policy, 1 attempt): Error: no bread`,
          cause: { name: 'Error', message: 'no bread', code: 'EBREAD' },
        },
        decision: { action: 'stop', reason: 'no_policy' },
      },
    ])
    expect(nodeOf(ended, 'report').state).toBe('succeeded')
  })

  test('starts a new child for each retry', async ({ onTestFinished }) => {
    const { producer, runs, startWorker } = openRuns(onTestFinished)
    let failures = 2
    const leaf = leafOf((n) => {
      failures -= 1
      if (failures >= 0) throw new Error('not yet')
      return n
    })
    const parent = flow({ name: 'parent', input: N }, (input) =>
      leaf.asRun({ key: 'x', retry: AT_ONCE })({ n: input.n }),
    )
    await startWorker({ flows: [parent, leaf] })
    const run = await producer.enqueue(parent, { n: 3 })
    expect(await run.result()).toBe(3)

    const ended = await runEnd(run)
    const ids = ['leaf#1', 'leaf#2', 'leaf#3'].map((key) => childRunId(run.id, 'x', key))
    expect(ended.children.map(({ runId }) => runId)).toEqual(ids)
    const states = await Promise.all(ids.map(async (id) => (await runs.get(id)).state))
    expect(states).toEqual(['failed', 'failed', 'succeeded'])
    const { attempts, log } = nodeOf(ended, 'x')
    expect(attempts).toBe(3)
    expect(log.map(({ attempt, decision }) => [attempt, decision?.action])).toEqual([
      [1, 'retry'],
      [2, 'retry'],
    ])
  })

  test('takes the policy that the enqueue gives for it', async ({ onTestFinished }) => {
    const { producer, startWorker } = openRuns(onTestFinished)
    let failures = 1
    const leaf = leafOf((n) => {
      failures -= 1
      if (failures >= 0) throw new Error('not yet')
      return n
    })
    const parent = flow({ name: 'parent', input: N }, (input) => leaf.asRun()({ n: input.n }))
    await startWorker({ flows: [parent, leaf] })
    const options = { nodes: { leaf: { retry: AT_ONCE } } }
    const run = await producer.enqueue(parent, { n: 3 }, options)
    expect(await run.result()).toBe(3)
  })

  test('is made for each item of a map, with a child of its own', async ({ onTestFinished }) => {
    const { producer, runs, startWorker } = openRuns(onTestFinished)
    const leaf = leafOf((n) => n * 2)
    const each = flow({ name: 'each', input: N }, (input) => leaf.asRun()({ n: input.n }))
    const sum = task({ name: 'sum', input: z.array(z.number()) }, (all) =>
      all.reduce((a, b) => a + b, 0),
    )
    const parent = flow({ name: 'parent', input: z.array(z.number()) }, (input) =>
      sum(each.map(input, (n) => ({ n }))),
    )
    await startWorker({ flows: [parent, leaf], queues: { default: ONE } })
    const run = await producer.enqueue(parent, [1, 2, 3])
    expect(await run.result()).toBe(12)
    const ended = await runEnd(run)
    const key = (item: number) => `each[${item}]/leaf`
    const ids = [0, 1, 2].map((item) => childRunId(run.id, key(item), 'leaf#1'))
    expect(ended.children).toEqual(
      ids.map((runId, item) => ({ node: key(item), key: 'leaf#1', runId, flow: 'leaf' })),
    )
    expect(nodeOf(ended, key(1))).toMatchObject({ kind: 'run', state: 'succeeded', attempts: 1 })
    expect(await runs.node(run.id, key(1))).toMatchObject({ input: { n: 2 }, output: 4 })
    expect(await runs.get(ids[1] ?? '')).toMatchObject({
      parent: { runId: run.id, node: key(1) },
    })
  })

  test('feeds plan B, and obeys a condition', async ({ onTestFinished }) => {
    const { producer, startWorker } = openRuns(onTestFinished)
    const broken = leafOf(() => {
      throw new Error('broken')
    }, 'broken')
    const whole = leafOf((n) => n, 'whole')
    const parent = flow(
      { name: 'parent', input: z.object({ n: z.number(), isWanted: z.boolean() }) },
      (input) => {
        whole.asRun({ key: 'optional', if: input.isWanted })({ n: input.n })
        return orElse(broken.asRun()({ n: input.n }), () => whole.asRun()({ n: input.n }))
      },
    )
    await startWorker({ flows: [parent, whole, broken] })
    const run = await producer.enqueue(parent, { n: 4, isWanted: false })
    expect(await run.result()).toBe(4)
    const ended = await runEnd(run)
    expect(nodeOf(ended, 'optional')).toMatchObject({ state: 'skipped', skipReason: 'condition' })
    expect(nodeOf(ended, 'broken')).toMatchObject({ state: 'failed', forgiven: true })
    expect(ended.children.map(({ node }) => node)).toEqual(['broken', 'whole'])
  })

  test('refuses an input that the flow refuses, where the flow is known', async ({
    onTestFinished,
  }) => {
    const { producer, startWorker } = openRuns(onTestFinished)
    const { leaf, parent } = misfit()
    await startWorker({ flows: [parent, leaf] })
    const ended = await runEnd(await producer.enqueue(parent, { n: 1 }))
    expect(stopReasonOf(ended, 'leaf')).toBe('invalid_input')
    expect(ended.children).toEqual([])
  })

  test('fails with the child that was refused, where the flow is not known', async ({
    onTestFinished,
  }) => {
    const { producer, startWorker } = openRuns(onTestFinished)
    const { leaf, parent } = misfit()
    await startWorker({ flows: [parent] })
    const run = await producer.enqueue(parent, { n: 1 })
    await runWith(run, 'leaf', 'waiting')
    await startWorker({ flows: [leaf], queues: { leaves: ONE } })
    const ended = await runEnd(run)
    const [entry] = nodeOf(ended, 'leaf').log
    expect(entry?.error?.message).toContain('invalid_input, 0 attempts')
    expect(entry?.error?.cause?.message).toContain('the input of leaf is not valid')
  })

  test('runs its child in the queue of the child’s flow', async ({ onTestFinished }) => {
    const { producer, startWorker } = openRuns(onTestFinished)
    const double = task({ name: 'double', input: N }, ({ n }) => n * 2)
    const leaf = flow({ name: 'leaf', input: N, queue: 'leaves', priority: 3 }, (input) =>
      double({ n: input.n }),
    )
    const parent = flow({ name: 'parent', input: N }, (input) =>
      leaf.asRun({ queue: 'waits' })({ n: input.n }),
    )
    await startWorker({ flows: [parent], queues: { default: ONE, waits: ONE } })
    await startWorker({ flows: [leaf], queues: { leaves: ONE } })
    const run = await producer.enqueue(parent, { n: 2 })
    expect(await run.result()).toBe(4)
  })

  test('is left to workers that know its own flow', async ({ onTestFinished }) => {
    const { producer, startWorker } = openRuns(onTestFinished)
    const leaf = leafOf((n) => n * 2)
    const first = task({ name: 'first', input: N }, ({ n }) => n)
    const parent = flow({ name: 'parent', input: N }, (input) =>
      leaf.asRun({ queue: 'waits' })({ n: first({ n: input.n }) }),
    )
    await startWorker({ flows: [parent, leaf] })
    const ignorant = await startWorker({ flows: [leaf], queues: { waits: ONE } })
    const run = await producer.enqueue(parent, { n: 2 })
    const waiting = await runWith(run, 'leaf', 'waiting')
    expect(nodeOf(waiting, 'leaf')).toMatchObject({ waitingFor: 'no_handler', attempts: 0 })
    await ignorant.close()
    await startWorker({ flows: [parent], queues: { waits: ONE } })
    expect(await run.result()).toBe(4)
    expect(nodeOf(await runEnd(run), 'leaf').attempts).toBe(1)
  })

  test('starts a new child when its failed job is retried by hand', async ({ onTestFinished }) => {
    const { producer, queue, startWorker } = openRuns(onTestFinished)
    let failures = 1
    const leaf = leafOf((n) => {
      failures -= 1
      if (failures >= 0) throw new Error('broken')
      return n
    })
    const parent = flow({ name: 'parent', input: N }, (input) =>
      leaf.asRun({ queue: 'waits' })({ n: input.n }),
    )
    await startWorker({ flows: [parent, leaf], queues: { default: ONE, waits: ONE } })
    const run = await producer.enqueue(parent, { n: 5 })
    expect((await runEnd(run)).state).toBe('failed')
    const job = await eventually(async () => {
      const [failed] = await queue('waits').getFailed()
      if (!failed) throw new Error('no failed job')
      return failed
    })
    await job.retry('failed')

    expect(await eventually(() => run.result())).toBe(5)
    const ended = await runEnd(run)
    expect(ended.children.map(({ key }) => key)).toEqual(['leaf#1', 'leaf#2'])
    expect(kindsOf(ended, 'leaf')).toEqual(['error', 'retried'])
  })

  test('waits for its turn under a budget before each retry, and starts no child meanwhile', async ({
    onTestFinished,
  }) => {
    const { producer, startWorker } = openRuns(onTestFinished)
    const leaf = leafOf(() => {
      throw new Error('broken')
    })
    const retry = policy.constant({
      delay: 1,
      maxRetries: 2,
      budget: { key: 'children', minPerSecond: 0.01 },
    })
    const parent = flow({ name: 'parent', input: N }, (input) =>
      leaf.asRun({ retry })({ n: input.n }),
    )
    await startWorker({ flows: [parent, leaf] })
    const run = await producer.enqueue(parent, { n: 1 })
    const waiting = await eventually(async () => {
      const snapshot = await run.read()
      if (!snapshot || nodeOf(snapshot, 'leaf').waitingFor !== 'budget') {
        throw new Error('it does not wait for its budget')
      }
      return snapshot
    })
    const { attempts, log } = nodeOf(waiting, 'leaf')
    expect(attempts).toBe(log.length)
    expect(waiting.children).toHaveLength(attempts)
  })

  test('is cancelled with its parent, by workers that hear of it at their next move', async ({
    onTestFinished,
  }) => {
    const { producer, namespace, redis, startWorker } = openRuns(onTestFinished)
    const gate = newGate()
    const leaf = leafOf(async (n) => {
      await gate.opened
      return n
    })
    const each = flow({ name: 'each', input: N }, (input) => leaf.asRun()({ n: input.n }))
    const parent = flow({ name: 'parent', input: N }, (input) => [
      leaf.asRun()({ n: input.n }),
      each.map([{ n: 1 }]),
    ])
    await startWorker({ flows: [parent, leaf] })
    const run = await producer.enqueue(parent, { n: 1 })
    const children = ['leaf', 'each[0]/leaf'].map((key) =>
      producer.run(childRunId(run.id, key, 'leaf#1')),
    )
    for (const child of children) await runWith(child, 'leaf-work', 'running')
    await runWith(run, 'leaf', 'waiting')
    await runWith(run, 'each[0]/leaf', 'waiting')
    const settings = { retention: { succeededMs: 3_600_000, failedMs: 3_600_000 }, maxCrashes: 3 }
    await new Coordinator(redis, new ShardKeys(namespace, 0), settings).cancel(run.id)
    gate.open()
    for (const child of children) expect(await child.state()).toBe('cancelled')
    await expect(run.result()).rejects.toMatchObject({ state: 'cancelled' })
    expect(nodeOf((await run.read()) ?? fail(), 'leaf').state).toBe('cancelled')
  })

  test('goes through generations', async ({ onTestFinished }) => {
    const { producer, startWorker } = openRuns(onTestFinished)
    const leaf = leafOf((n) => n + 1)
    const second = generation('second', leaf)
    const first = generation('first', second)
    await startWorker({ flows: [first, second, leaf], queues: { default: ONE } })
    const run = await producer.enqueue(first, { n: 1 })
    expect(await run.result()).toBe(2)
  })

  test('lets 200 parents and their children through two workers with one slot each', {
    timeout: TEST_TIMEOUT_MS,
  }, async ({ onTestFinished }) => {
    const { producer, startWorker, queue } = openRuns(onTestFinished)
    const leaf = leafOf((n) => n * 2)
    const sum = task({ name: 'sum', input: z.object({ all: z.array(z.number()) }) }, ({ all }) =>
      all.reduce((a, b) => a + b, 0),
    )
    const parent = flow({ name: 'parent', input: N }, (input) =>
      sum({ all: [leaf.asRun()({ n: input.n }), leaf.asRun()({ n: 1 })] }),
    )
    // All parents are there before the first child is: a node that held its slot would wait for ever.
    const handles = await Promise.all(
      Array.from({ length: 200 }, (_, n) => producer.enqueue(parent, { n })),
    )
    const options = { flows: [parent, leaf], queues: { default: ONE } }
    await startWorker(options)
    await startWorker(options)
    const results = await Promise.all(handles.map((run) => run.result()))
    expect(results).toEqual(handles.map((_, n) => 2 * n + 2))
    expect(await queue().getJobCountByTypes('wait', 'active', 'delayed', 'failed')).toBe(0)
  })
})

function fail(): never {
  throw new Error('the run is gone')
}

function generation(name: string, inner: ReturnType<typeof leafOf>) {
  return flow({ name, input: N }, (input) => inner.asRun()({ n: input.n }))
}

/** A flow that gives another one what its schema refuses. */
function misfit() {
  const work = task({ name: 'work', input: z.object({ n: z.number() }) }, ({ n }) => n)
  const leaf = flow(
    { name: 'leaf', input: z.object({ n: z.number().max(0) }), queue: 'leaves' },
    (input) => work({ n: input.n }),
  )
  const parent = flow({ name: 'parent', input: N }, (input) => leaf.asRun()({ n: input.n }))
  return { leaf, parent }
}
