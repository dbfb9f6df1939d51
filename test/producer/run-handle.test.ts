import { expect, test } from 'vitest'
import { newRunId } from '../../src/core/ids.ts'
import { compileGraph } from '../../src/flow/compile.ts'
import type { Template } from '../../src/flow/graph.ts'
import type { RunEvent } from '../../src/index.ts'
import { Producer, type RunHandle } from '../../src/index.ts'
import { Driver, failure, retryIn, success, useRedis } from '../coordinator/driver.ts'
import {
  chain,
  gate,
  graphOf,
  join,
  type NodeSpec,
  node,
  settledOf,
} from '../coordinator/graphs.ts'
import { describeWithRedis, redisUrl, testNamespace } from '../setup/namespace.ts'

const redis = useRedis()

type Cleanup = (clean: () => Promise<void>) => void

/** A run that a driver executes, and its handle. */
function open(onTestFinished: Cleanup, nodes: readonly NodeSpec[], output?: Template) {
  const namespace = testNamespace()
  const producer = new Producer({ redis: redisUrl(), namespace })
  onTestFinished(() => producer.close())
  const { graph } = graphOf(nodes)
  const compiled = compileGraph(output ? { ...graph, output } : graph)
  const driver = new Driver(redis(), compiled, { namespace })
  return { producer, driver, run: producer.run(driver.runId) }
}

const X_AND_PLAN = [
  node('x'),
  gate('gate', 'x'),
  node('plan', ['gate']),
  join('join', 'x', 'plan'),
  settledOf('settled', 'x'),
]

function ref(index: number, ...path: (string | number)[]): Template {
  return { ref: index, path }
}

describeWithRedis('result', () => {
  test('is the output of a run that has ended', async ({ onTestFinished }) => {
    const { driver, run } = open(onTestFinished, chain(1))
    await driver.execute({ k0: success({ n: 1 }) })
    expect(await run.result()).toEqual({ n: 1 })
  })

  test('comes as soon as the run ends, for all who wait', async ({ onTestFinished }) => {
    const { driver, run } = open(onTestFinished, chain(1))
    const first = await driver.openGranted()
    const results = Promise.all([run.result(), run.result({ timeout: '20s' })])
    const started = performance.now()
    await first.settle('k0', success('end'))
    expect(await results).toEqual(['end', 'end'])
    expect(performance.now() - started).toBeLessThan(1_500)
  })

  test.each<[string, Template, unknown]>([
    ['a part of a result', ref(0, 'list', 1), 'b'],
    ['a part that is not there', { arr: [ref(0, 'nothing', 'here')] }, [null]],
    [
      'parts put together',
      { obj: { a: ref(0, 'n'), b: { arr: [{ lit: 'c' }] } } },
      { a: 1, b: ['c'] },
    ],
    ['the input', ref(0, 'n'), 1],
    ['a part of the input', { obj: { topic: { ref: 'input', path: ['topic'] } } }, { topic: 'x' }],
    ['a constant', { lit: [1, null] }, [1, null]],
    ['undefined inside of an object', { obj: { gone: ref(0, 'nothing') } }, {}],
  ])('is %s', async (_name, output, expected) => {
    const cleanups: (() => Promise<void>)[] = []
    const { driver, run } = open((clean) => cleanups.push(clean), chain(1), output)
    await driver.execute({ k0: success({ n: 1, list: ['a', 'b'] }) })
    expect(await run.result()).toEqual(expected)
    for (const clean of cleanups) await clean()
  })

  test.each<[string, boolean, Template, unknown]>([
    ['the first side of orElse', false, ref(3), 'of x'],
    ['the plan of orElse', true, ref(3), 'of plan'],
    ['nothing for what was skipped', false, { obj: { plan: ref(2), gate: ref(1) } }, {}],
    ['the failure behind a gate', true, ref(1, 'error', 'message'), 'broken'],
    ['the settled of a success', false, ref(4), { status: 'succeeded', value: 'of x' }],
    ['the settled of a failure', true, ref(4, 'error', 'error', 'name'), 'Error'],
    ['all at once', true, { arr: [ref(3), ref(4, 'status')] }, ['of plan', 'failed']],
  ])('is %s', async (_name, xFails, output, expected) => {
    const cleanups: (() => Promise<void>)[] = []
    const { driver, run } = open((clean) => cleanups.push(clean), X_AND_PLAN, output)
    await driver.execute({ x: xFails ? failure() : success('of x'), plan: success('of plan') })
    expect(await run.result()).toEqual(expected)
    for (const clean of cleanups) await clean()
  })

  test('is the failure of the node that caused an upstream failure', async ({ onTestFinished }) => {
    const nodes = [
      node('a'),
      node('x', ['a']),
      gate('gate', 'x'),
      node('plan', ['gate']),
      join('join', 'x', 'plan'),
    ]
    const { driver, run } = open(onTestFinished, nodes, ref(2, 'error', 'message'))
    await driver.execute({ a: failure('the cause') })
    expect(await run.result()).toBe('the cause')
  })

  test('keeps any value byte for byte', async ({ onTestFinished }) => {
    const { driver, run } = open(onTestFinished, chain(1))
    const value = { text: 'ünï\u2028 🦉 %s |\n', big: 'x'.repeat(1_000_000), list: [], object: {} }
    await driver.execute({ k0: success(value) })
    expect(await run.result()).toEqual(value)
  })

  test('times out when the run goes on, and can be asked again', async ({ onTestFinished }) => {
    const { driver, run } = open(onTestFinished, chain(1))
    const first = await driver.openGranted()
    await expect(run.result({ timeout: 30 })).rejects.toMatchObject({
      code: 'timeout',
      message: expect.stringContaining(run.id),
    })
    await first.settle('k0', success(7))
    expect(await run.result({ timeout: 1_000 })).toBe(7)
  })

  test('does not wait for a timeout that is no duration', async ({ onTestFinished }) => {
    const { run } = open(onTestFinished, chain(1))
    const timeout = 'soon' as '1s'
    await expect(run.result({ timeout })).rejects.toMatchObject({ code: 'definition' })
  })

  test('throws what failed: the node, its attempts, the reason and the last failure', async ({
    onTestFinished,
  }) => {
    const { driver, run } = open(onTestFinished, chain(3))
    await (await driver.openGranted()).settle('k0')
    await (await driver.claimGranted(1)).settle('k1', retryIn(0))
    await (await driver.claimGranted(1)).settle('k1', failure('the last', 'abort_on'))
    await expect(run.result()).rejects.toMatchObject({
      name: 'RunFailed',
      code: 'run_failed',
      runId: driver.runId,
      state: 'failed',
      node: 'k1',
      attempts: 2,
      reason: 'abort_on',
      failure: { kind: 'error', error: { name: 'Error', message: 'the last' } },
      message: expect.stringMatching(/k1 \(abort_on, 2 attempts\): Error: the last/),
    })
  })

  test('throws the first of several failures that nothing made up for', async ({
    onTestFinished,
  }) => {
    const nodes = [...X_AND_PLAN, node('a'), node('b')]
    const { driver, run } = open(onTestFinished, nodes)
    const first = await driver.openGranted()
    await first.settle('x', failure('forgiven'))
    const b = await driver.claimGranted(2)
    await b.settle('b', failure('first'))
    await new Promise((resolve) => setTimeout(resolve, 5))
    await (await driver.claimGranted(1)).settle('a', failure('second'))
    await (await driver.claimGranted(3)).settle('plan')
    await expect(run.result()).rejects.toMatchObject({ node: 'b', reason: 'exhausted' })
  })

  test('throws a crash loop with its reason', async ({ onTestFinished }) => {
    const { driver, run } = open(onTestFinished, chain(1))
    await driver.openGranted()
    for (let i = 0; i < 4; i++) await driver.claim(await driver.deliver(0, { redelivered: true }))
    await expect(run.result()).rejects.toMatchObject({
      node: 'k0',
      attempts: 4,
      reason: 'crash_loop',
      failure: { kind: 'crash', error: { name: 'WorkerLost' } },
    })
  })

  test('throws a refusal, in which no node had part', async ({ onTestFinished }) => {
    const { driver, run } = open(onTestFinished, chain(1))
    const error = { name: 'InvalidInput', names: ['InvalidInput'], message: 'at topic' }
    const reason = JSON.stringify({ reason: 'invalid_input', error })
    await driver.coordinator.refuse(await driver.deliver(0), { reason, flow: 'f', job: '' })
    await expect(run.result()).rejects.toMatchObject({
      node: null,
      attempts: 0,
      reason: 'invalid_input',
      failure: { kind: 'error', error },
    })
  })

  test('throws a cancel', async ({ onTestFinished }) => {
    const { driver, run } = open(onTestFinished, chain(1))
    await driver.openGranted()
    const result = run.result()
    result.catch(() => {})
    await driver.coordinator.cancel(driver.runId)
    await expect(result).rejects.toMatchObject({ state: 'cancelled', reason: 'cancelled' })
  })

  test('throws for a run that nobody knows', async ({ onTestFinished }) => {
    const { producer } = open(onTestFinished, chain(1))
    const id = newRunId(0)
    await expect(producer.run(id).result()).rejects.toMatchObject({
      code: 'unknown_run',
      message: expect.stringContaining(id),
    })
  })

  test('refuses an id that is none', async ({ onTestFinished }) => {
    const { producer } = open(onTestFinished, chain(1))
    expect(() => producer.run('my run')).toThrow(/expected a run id such as 0-.*got "my run"/)
  })
})

describeWithRedis('state', () => {
  test('follows the run over its life', async ({ onTestFinished }) => {
    const { driver, run } = open(onTestFinished, [node('a', [], { delayMs: 40 }), node('b', ['a'])])
    const states = [await run.state().catch((error: { code: string }) => error.code)]
    await driver.open(await driver.deliver(0))
    states.push(await run.state())
    const first = await driver.claimGranted(1)
    states.push(await run.state())
    await first.settle('a', retryIn(0))
    states.push(await run.state())
    await (await driver.claimGranted(1)).settle('a')
    states.push(await run.state())
    await (await driver.claimGranted(2)).settle('b')
    states.push(await run.state())
    expect(states).toEqual([
      'unknown_run',
      'waiting',
      'running',
      'retrying',
      'running',
      'succeeded',
    ])
  })

  test.each<[string, { delay?: '1m' }, string]>([
    ['queued before a worker has the run', {}, 'queued'],
    ['scheduled when it was enqueued with a delay', { delay: '1m' }, 'scheduled'],
  ])('is %s', async (_name, options, state) => {
    const producer = new Producer({ redis: redisUrl(), namespace: testNamespace() })
    const run = await producer.enqueue({ flow: 'x' }, {}, options)
    expect(await run.state()).toBe(state)
    expect(await run.read()).toBeNull()
    await producer.close()
  })

  test('is found through another producer', async ({ onTestFinished }) => {
    const { producer, driver } = open(onTestFinished, chain(1))
    await driver.openGranted()
    expect(await producer.run(driver.runId, 'any').state()).toBe('running')
  })
})

describeWithRedis('events', () => {
  test('tell the whole story to who listens from the beginning, and to who comes late', async ({
    onTestFinished,
  }) => {
    const { producer, driver, run } = open(onTestFinished, chain(2))
    const first = await driver.openGranted()
    const live = collect(run)
    await first.settle('k0', retryIn(0))
    await (await driver.claimGranted(0)).settle('k0')
    await (await driver.claimGranted(1)).settle('k1', failure())
    const late = await collect(producer.run(driver.runId))
    expect(late.map(({ type }) => type)).toEqual([
      'run.opened',
      'attempt.started',
      'attempt.failed',
      'attempt.started',
      'node.succeeded',
      'attempt.started',
      'attempt.failed',
      'node.failed',
      'run.ended',
    ])
    expect(sorted(await live)).toEqual(sorted(late))
  })

  test('stop when the listener does', async ({ onTestFinished }) => {
    const { driver, run } = open(onTestFinished, chain(1))
    await driver.openGranted()
    for await (const event of run.events()) {
      expect(event.type).toBe('run.opened')
      break
    }
  })

  test('throw for a run that nobody knows', async ({ onTestFinished }) => {
    const { producer } = open(onTestFinished, chain(1))
    await expect(collect(producer.run(newRunId(0)))).rejects.toMatchObject({ code: 'unknown_run' })
  })
})

async function collect(run: RunHandle): Promise<RunEvent[]> {
  const events: RunEvent[] = []
  for await (const event of run.events()) events.push(event)
  return events
}

function sorted(events: readonly RunEvent[]): string[] {
  return events.map((event) => JSON.stringify(event)).sort()
}
