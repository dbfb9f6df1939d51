import { expect, test } from 'vitest'
import { z } from 'zod'
import { flow, NonRetryable, orElse, policy, Runs, task } from '../../src/index.ts'
import { describeWithRedis, redisUrl } from '../setup/namespace.ts'
import { eventually, newGate, type OnTestFinished, openScene, runEnd } from '../worker/scene.ts'

const load = task({ name: 'load', input: z.object({ topic: z.string() }) }, ({ topic }) => ({
  url: `http://${topic}`,
}))
const ping = task(
  {
    name: 'ping',
    input: z.object({ url: z.string() }),
    retry: policy.constant({ delay: 1, maxRetries: 1 }),
  },
  () => {
    throw new Error('503')
  },
)
const copy = task(
  { name: 'copy', input: z.object({ why: z.string() }) },
  ({ why }) => `old: ${why}`,
)
const unused = task({ name: 'unused', input: z.object({ topic: z.string() }) }, () => {
  throw new NonRetryable('never')
})
const last = task({ name: 'last', input: z.object({ of: z.unknown() }) }, () => {})

const example = flow({ name: 'example', input: z.object({ topic: z.string() }) }, (input) => {
  const answer = orElse(ping({ url: load({ topic: input.topic }).url }), (failure) =>
    copy({ why: failure.error.message }),
  )
  last({ of: unused({ topic: input.topic }) })
  return answer
})

function openRuns(onTestFinished: OnTestFinished) {
  const scene = openScene(onTestFinished)
  const runs = new Runs({ redis: redisUrl(), namespace: scene.namespace })
  onTestFinished(() => runs.close())
  return { ...scene, runs }
}

const UNKNOWN = '0-01JD2Y4S5T6V7W8X9YZABCDEFG'

describeWithRedis('Runs', () => {
  test('tells everything of an ended run', async ({ onTestFinished }) => {
    const { producer, runs, startWorker } = openRuns(onTestFinished)
    await startWorker({ flows: [example] })
    const handle = await producer.enqueue(example, { topic: 'x' }, { tags: ['nightly'] })
    await runEnd(handle)

    const run = await runs.get(handle.id)

    expect(run).toMatchObject({
      id: handle.id,
      flow: 'example',
      tags: ['nightly'],
      input: { topic: 'x' },
      state: 'failed',
      openedAt: expect.any(Number),
      endedAt: expect.any(Number),
    })
    expect(run.nodes.map(({ key, state, attempts }) => [key, state, attempts])).toEqual([
      ['load', 'succeeded', 1],
      ['ping', 'failed', 2],
      ['$gate', 'succeeded', 0],
      ['copy', 'succeeded', 1],
      ['$join', 'succeeded', 0],
      ['unused', 'failed', 1],
      ['last', 'upstream_failed', 0],
    ])
    expect(run.nodes[1]?.log.map(({ attempt, error }) => [attempt, error?.message])).toEqual([
      [1, '503'],
      [2, '503'],
    ])
    expect(run.graph?.graph.nodes.map(({ key }) => key)).toEqual(run.nodes.map(({ key }) => key))
    expect({ ...run, graph: null }).toEqual({ ...(await handle.read()), graph: null })
  })

  test.for([
    ['load', { topic: 'x' }, { url: 'http://x' }],
    ['ping', { url: 'http://x' }, undefined],
    ['$gate', undefined, { kind: 'error', error: expect.objectContaining({ message: '503' }) }],
    ['copy', { why: '503' }, 'old: 503'],
    ['$join', undefined, 'old: 503'],
    ['unused', { topic: 'x' }, undefined],
    ['last', undefined, undefined],
  ] as const)('tells what %s got and gave', async ([key, input, output], { onTestFinished }) => {
    const { producer, runs, startWorker } = openRuns(onTestFinished)
    await startWorker({ flows: [example] })
    const handle = await producer.enqueue(example, { topic: 'x' })
    await runEnd(handle)

    expect(await runs.node(handle.id, key)).toMatchObject({ key, input, output })
  })

  test('compiles the graph of many reads once', async ({ onTestFinished }) => {
    const { producer, runs, startWorker } = openRuns(onTestFinished)
    await startWorker({ flows: [example] })
    const [one, other] = [
      await producer.enqueue(example, { topic: 'x' }),
      await producer.enqueue(example, { topic: 'y' }),
    ]
    await Promise.all([runEnd(one), runEnd(other)])

    const { graph } = await runs.get(one.id)

    expect(graph?.hash).toMatch(/^.{16}$/)
    expect((await runs.get(one.id)).graph).toBe(graph)
    expect((await runs.get(other.id)).graph).toBe(graph)
  })

  test('tells until when a node waits, and for what', async ({ onTestFinished }) => {
    const { producer, runs, startWorker } = openRuns(onTestFinished)
    const slow = flow({ name: 'slow', input: z.object({}) }, () => {
      ping.with({ retry: policy.constant({ delay: '1h' }) })({ url: 'x' })
      copy.with({ delay: '2h' })({ why: 'x' })
    })
    await startWorker({ flows: [slow] })
    const { id } = await producer.enqueue(slow, {})

    const run = await eventually(async () => {
      const read = await runs.get(id)
      expect(read.state).toBe('retrying')
      return read
    })

    const [retrying, waiting] = run.nodes
    expect(retrying).toMatchObject({ state: 'retrying', waitingFor: null, attempts: 1 })
    expect(waiting).toMatchObject({ state: 'waiting', waitingFor: 'delay', attempts: 0 })
    expect((retrying?.dueAt ?? 0) - (retrying?.log[0]?.endedAt ?? 0)).toBeGreaterThanOrEqual(
      3_600_000,
    )
    expect((waiting?.dueAt ?? 0) - (run.openedAt ?? 0)).toBeGreaterThanOrEqual(7_200_000)
    expect(await runs.node(id, 'copy')).toMatchObject({ input: { why: 'x' }, output: undefined })
  })

  test('tells of a running node, and of one that cannot start yet', async ({ onTestFinished }) => {
    const { producer, runs, startWorker } = openRuns(onTestFinished)
    const gate = newGate()
    const held = task({ name: 'held', input: z.object({}) }, () => gate.opened)
    const two = flow({ name: 'two', input: z.object({}) }, () => last({ of: held({}) }))
    await startWorker({ flows: [two] })
    const { id } = await producer.enqueue(two, {})

    await eventually(async () => expect((await runs.get(id)).nodes[0]?.state).toBe('running'))

    expect(await runs.node(id, 'held')).toMatchObject({ startedAt: expect.any(Number), input: {} })
    expect(await runs.node(id, 'last')).toMatchObject({ state: 'pending', input: undefined })
    gate.open()
  })

  test.for([
    ['queued', {}, 'queued', false],
    ['scheduled', { delay: '1h' }, 'scheduled', true],
  ] as const)(
    'tells of a run that is %s',
    async ([, options, state, isDue], { onTestFinished }) => {
      const { producer, runs } = openRuns(onTestFinished)
      const { id } = await producer.enqueue(example, { topic: 'x' }, { ...options, tags: ['a'] })

      const run = await runs.get(id)

      expect(run).toMatchObject({ id, flow: 'example', state, queue: 'default', openedAt: null })
      expect(run).toMatchObject({ input: { topic: 'x' }, tags: ['a'], nodes: [], graph: null })
      if (run.openedAt !== null) throw new Error('it was opened')
      expect(run.dueAt).toBe(isDue ? run.enqueuedAt + 3_600_000 : null)
    },
  )

  test('finds a run that waits in another queue', async ({ onTestFinished }) => {
    const { producer, runs } = openRuns(onTestFinished)
    const { id } = await producer.enqueue(load, { topic: 'x' }, { queue: 'slow' })

    expect(await runs.get(id, { queue: 'slow' })).toMatchObject({
      flow: 'task:load',
      queue: 'slow',
    })
    await expect(runs.get(id)).rejects.toThrow(/no job with this id in the queue default/)
  })

  test.for([
    ['an id that is none', 'mine', 'unknown_run', /expected a run id such as 0-.*, got "mine"/],
    ['an id that nobody knows', UNKNOWN, 'unknown_run', /there is no run 0-01JD/],
  ] as const)('refuses %s', async ([, id, code, message], { onTestFinished }) => {
    const { runs } = openRuns(onTestFinished)
    const refused = { code, message: expect.stringMatching(message) }
    await expect(runs.get(id)).rejects.toMatchObject(refused)
    await expect(runs.node(id, 'load')).rejects.toMatchObject(refused)
  })

  test('names the nodes where there is none of a key', async ({ onTestFinished }) => {
    const { producer, runs, startWorker } = openRuns(onTestFinished)
    await startWorker({ flows: [example] })
    const handle = await producer.enqueue(example, { topic: 'x' })
    await runEnd(handle)

    await expect(runs.node(handle.id, 'pong')).rejects.toMatchObject({
      code: 'unknown_node',
      message: expect.stringContaining('has no node "pong"; it has: load, ping, $gate'),
    })
  })

  test.for([
    ['no Redis', {}, /expected a URL such as redis:.*\n.*at redis/],
    [
      'a namespace that is none',
      { redis: 'redis://localhost', namespace: 'a b' },
      /letters, digits/,
    ],
    ['an option that it does not know', { redis: 'redis://localhost', queue: 'x' }, /queue/],
  ] as const)('refuses %s', ([, options, message]) => {
    expect(() => new Runs(options as never)).toThrow(message)
  })
})
