import { describe, expect, test } from 'vitest'
import { copyChunks } from '../../src/coordinator/rerun-copy.ts'
import type { RecordedDecision } from '../../src/core/failure.ts'
import { planRerun } from '../../src/flow/rerun-plan.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import {
  Driver,
  type DriverOptions,
  failure,
  granted,
  success,
  tickets,
  useRedis,
} from './driver.ts'
import { chain, type NodeSpec, node } from './graphs.ts'
import { createdRerun, driverOf, openAsWorker, optionsOf, rerunsOf } from './rerun-driver.ts'

const redis = useRedis()

const DECISION: RecordedDecision = { action: 'stop', reason: 'exhausted' }

/** A run that has failed at its node `k1`. */
async function failed(nodes: readonly NodeSpec[] = chain(3), options: DriverOptions = {}) {
  const driver = new Driver(redis(), nodes, options)
  await driver.execute({ k1: failure('broken') })
  expect((await driver.read()).state).toBe('failed')
  return { driver, reruns: rerunsOf(driver) }
}

/** The same with an automatic retry that is due. */
const due = () => failed(chain(3), { isRetried: true })

describeWithRedis('createRerun', () => {
  test('makes one run of those that try to retry it automatically at the same time', async () => {
    const { driver, reruns } = await due()
    const options = await optionsOf(driver, 'from-failure')
    const tries = Array.from({ length: 5 }, () =>
      rerunsOf(driver).create(driver.runId, options, { by: 'retry' }, 0, DECISION),
    )
    const answers = await Promise.all(tries)
    expect(answers.filter(({ status }) => status === 'ok')).toMatchObject([
      { runId: `${driver.runId}~1`, flow: 'test-flow', place: null },
    ])
    expect(answers.filter(({ status }) => status === 'refused')).toHaveLength(4)
    expect(await driver.read()).toMatchObject({
      willRetry: true,
      retriedBy: `${driver.runId}~1`,
      reruns: [`${driver.runId}~1`],
      retryDecision: DECISION,
    })
    expect(await redis().zcard(driver.keys.duties)).toBe(0)
    expect(await reruns.retryOf(driver.runId)).toBe(`${driver.runId}~1`)
  })

  test('keeps the failed run for longer than its retry waits', async () => {
    const { driver, reruns } = await due()
    const delayMs = 100 * 3_600_000
    const options = await optionsOf(driver, 'from-failure')
    await reruns.create(driver.runId, options, { by: 'retry' }, delayMs, DECISION)
    for (const key of ['run', 'out', 'log'] as const) {
      expect(await redis().pttl(driver.keys[key](driver.runId))).toBeGreaterThan(delayMs)
    }
  })

  test.each([
    ['live', (driver: Driver) => driver.openGranted()],
    ['no_run', async () => {}],
  ] as const)('is refused: %s', async (reason, prepare) => {
    const driver = new Driver(redis(), chain(2))
    await prepare(driver)
    const answer = await rerunsOf(driver).create(driver.runId, '{}', { by: 'hand' }, 0, null)
    expect(answer).toMatchObject({ status: 'refused', reason })
    expect(await redis().exists(driver.keys.run(`${driver.runId}~1`))).toBe(0)
  })

  test('by hand is refused while a retry is due, or a rerun of a rerun goes on', async () => {
    const { driver, reruns } = await due()
    const create = () => reruns.create(driver.runId, '{}', { by: 'hand' }, 0, null)
    expect(await create()).toMatchObject({ reason: 'retry_due' })
    await reruns.decline(driver.runId, DECISION)
    const first = await createdRerun(driver, reruns)
    expect(await create()).toMatchObject({ reason: 'has_live_rerun', runId: first.runId })
    await first.execute({ k1: failure('again') })
    const second = await createdRerun(first, reruns)
    expect(await create()).toMatchObject({ reason: 'has_live_rerun', runId: second.runId })
    await second.execute({})
    expect(await create()).toMatchObject({ status: 'ok', runId: `${driver.runId}~2` })
  })

  test('is refused when the graph is gone', async () => {
    const { driver, reruns } = await failed()
    await redis().del(driver.keys.graph(driver.graph.hash))
    expect(await reruns.create(driver.runId, '{}', { by: 'hand' }, 0, null)).toMatchObject({
      reason: 'no_graph',
    })
  })
})

describeWithRedis('a failed end', () => {
  test('asks for a retry once, and a declined one is decided', async () => {
    const { driver, reruns } = await due()
    expect(await driver.read()).toMatchObject({ willRetry: true, retriedBy: null })
    expect(await reruns.dueRetries(Date.now() + 60_000, 10)).toEqual([driver.runId])
    await reruns.forget(driver.runId)
    expect(await reruns.retryOf(driver.runId), 'what is due is not forgotten').toBe('due')
    await reruns.decline(driver.runId, DECISION)
    expect(await driver.read()).toMatchObject({ willRetry: false, retryDecision: DECISION })
    expect(await reruns.dueRetries(Date.now() + 60_000, 10)).toEqual([])
    await reruns.decline(driver.runId, { ...DECISION, detail: 'again' })
    expect((await driver.read()).retryDecision).toEqual(DECISION)
  })

  test('asks for a retry also when a claim ends the run by a crash loop', async () => {
    const driver = new Driver(redis(), [node('a')], { isRetried: true, maxCrashes: 0 })
    await driver.openGranted()
    expect(await driver.open(await driver.deliver(0, { redelivered: true }))).toMatchObject({
      status: 'ended',
    })
    expect(await rerunsOf(driver).retryOf(driver.runId)).toBe('due')
  })

  test('asks for none after a cancel', async () => {
    const driver = new Driver(redis(), chain(2), { isRetried: true })
    await driver.openGranted()
    await driver.coordinator.cancel(driver.runId)
    expect(await rerunsOf(driver).retryOf(driver.runId)).toBeNull()
    expect(await redis().zcard(driver.keys.duties)).toBe(0)
  })

  test('forgets a run in the list of due ones that is gone', async () => {
    const { driver, reruns } = await due()
    await redis().del(driver.keys.run(driver.runId))
    await reruns.forget(driver.runId)
    expect(await redis().zcard(driver.keys.duties)).toBe(0)
    expect(await redis().exists(driver.keys.run(driver.runId))).toBe(0)
  })
})

describeWithRedis('a rerun that was not opened', () => {
  test('is claimed as creating, and cancelled for good', async () => {
    const { driver, reruns } = await failed()
    const rerun = await createdRerun(driver, reruns)
    const delivery = await rerun.deliver(0)
    expect(await rerun.claim(delivery)).toEqual({ status: 'refused', reason: 'creating' })
    expect(await rerun.coordinator.cancel(rerun.runId)).toMatchObject({ status: 'ok' })
    expect(await openAsWorker(rerun, reruns, delivery)).toEqual({
      status: 'refused',
      reason: 'cancelled',
    })
    expect((await rerun.read()).state).toBe('cancelled')
    expect(await redis().zscore(driver.keys.live, rerun.runId)).toBeNull()
  })

  test('takes copies only from the delivery that holds its job, and only until it is opened', async () => {
    const { driver, reruns } = await failed()
    const rerun = await createdRerun(driver, reruns)
    const before = await driver.read()
    const plan = planRerun(driver.graph.graph, before.nodes, 'from-failure')
    const states = before.nodes.map(({ state }) => state)
    const [chunk = { indices: '', counts: '' }] = copyChunks(driver.graph.graph, plan, states)
    const lost = await rerun.deliver(0)
    const holder = await rerun.deliver(0, { redelivered: true })
    expect(await reruns.copy(lost, chunk)).toBe('lease')
    expect(await reruns.copy(holder, chunk)).toBe('ok')
    expect(await reruns.copy(holder, chunk), 'it may be copied again').toBe('ok')
    granted(await rerun.open(holder))
    expect(await reruns.copy(holder, chunk)).toBe('changed')
    expect(await openAsWorker(rerun, reruns, lost)).toEqual({ status: 'refused', reason: 'lease' })
    // The reply was lost: the same lease gets the same grant.
    expect(granted(await rerun.open(holder)).grants).toMatchObject([{ attempt: 1 }])
  })

  test('ends as refused when what it reuses is gone, and the run is not retried then', async () => {
    const { driver, reruns } = await due()
    const options = await optionsOf(driver, 'from-failure')
    await reruns.create(driver.runId, options, { by: 'retry' }, 0, DECISION)
    const rerun = driverOf(driver, reruns, `${driver.runId}~1`)
    await redis().hdel(driver.keys.out(driver.runId), '0')
    const delivery = await rerun.deliver(0)
    expect(await openAsWorker(rerun, reruns, delivery)).toMatchObject({ kind: 'failed' })
    expect(await rerun.read()).toMatchObject({
      state: 'failed',
      refusal: { reason: 'result_expired' },
    })
    expect(await driver.read()).toMatchObject({
      willRetry: false,
      retryDecision: { reason: 'result_expired' },
    })
    // Its job is retried by hand.
    const again = await rerun.deliver(0, { retriedByHand: true })
    expect(await rerun.claim(again)).toMatchObject({ reason: 'run_refused' })
  })

  test('ends as refused when its graph, or the run that it repeats, is gone', async () => {
    for (const lose of [
      (driver: Driver) => driver.keys.graph(driver.graph.hash),
      (driver: Driver) => driver.keys.run(driver.runId),
    ]) {
      const { driver, reruns } = await failed()
      const rerun = await createdRerun(driver, reruns)
      await redis().del(lose(driver))
      const answer = await openAsWorker(rerun, reruns, await rerun.deliver(0))
      expect(answer).toMatchObject({ kind: 'failed' })
      const fields = await redis().hgetall(driver.keys.run(rerun.runId))
      expect(fields).toMatchObject({ s: 'X', rp: driver.runId })
      expect(await redis().pttl(driver.keys.run(rerun.runId))).toBeGreaterThan(0)
    }
  })
})

describeWithRedis('a rerun of a wide run', () => {
  test('copies in several chunks, and counts what it reuses for a join', async () => {
    const parts = Array.from({ length: 250 }, (_, i) => `p${i}`)
    const nodes = [...parts.map((key) => node(key)), node('k1'), node('last', [...parts, 'k1'])]
    const driver = new Driver(redis(), nodes)
    await driver.execute({ k1: failure('broken') })
    const { nodes: before } = await driver.read()
    const plan = planRerun(driver.graph.graph, before, 'from-failure')
    const states = before.map(({ state }) => state)
    const chunks = copyChunks(driver.graph.graph, plan, states)
    expect(chunks.map(({ indices }) => indices.split(',').length)).toEqual([100, 100, 50])

    const rerun = await createdRerun(driver, rerunsOf(driver))
    const first = await rerun.openGranted()
    expect(first.keys).toEqual(['k1'])
    const settled = await first.settle('k1', success())
    await rerun.finish(tickets(settled))
    expect((await rerun.read()).state).toBe('succeeded')
    expect(await rerun.leftovers()).toEqual([])
  })
})

describeWithRedis('retryNodes', () => {
  test('moves the failed node to a ticket of its own, owed by nobody', async () => {
    const { driver, reruns } = await failed()
    const answer = await reruns.retryNodes(driver.runId, null)
    if (answer.status === 'refused') throw new Error(answer.reason)
    const [added] = answer.toAdd
    expect(added).toMatchObject({ indices: [1], delayMs: 0, place: null })
    expect((await driver.read()).state).toBe('running')
    expect(await redis().pttl(driver.keys.run(driver.runId))).toBe(-1)
    await driver.finish(tickets(answer))
    expect((await driver.read()).state).toBe('succeeded')
    expect(await driver.leftovers()).toEqual([])
    expect((await driver.node('k1')).log.map(({ kind }) => kind)).toEqual(['error', 'retried'])
  })

  test('leaves the other failed nodes of a row in it', async () => {
    const driver = new Driver(redis(), [node('a'), node('b'), node('c', ['b'])], { grain: 3 })
    const first = await driver.openGranted({ free: 2 })
    await first.settle('a', failure('one'))
    await first.settle('b', failure('two'))
    const reruns = rerunsOf(driver)
    const answer = await reruns.retryNodes(driver.runId, driver.indexOf('b'))
    if (answer.status === 'refused') throw new Error(answer.reason)
    expect(await driver.states()).toEqual({ a: 'failed', b: 'ready', c: 'pending' })
    await driver.finish(tickets(answer))
    expect(await driver.states()).toEqual({ a: 'failed', b: 'succeeded', c: 'succeeded' })
    expect((await driver.read()).state).toBe('failed')
    // The job of the old ticket is retried by its button: what is left in its row runs.
    const pressed = await driver.claimGranted(0, { retriedByHand: true })
    expect(pressed.keys).toEqual(['a'])
  })

  test('changes nothing when it is refused', async () => {
    const { driver, reruns } = await failed()
    await createdRerun(driver, reruns)
    const before = await driver.dump()
    expect(await reruns.retryNodes(driver.runId, null)).toEqual({
      status: 'refused',
      reason: 'has_rerun',
    })
    expect(await reruns.retryNodes(driver.runId, 0)).toMatchObject({ reason: 'not_failed' })
    expect(await reruns.retryNodes('0-none', null)).toMatchObject({ reason: 'no_run' })
    expect(await driver.dump()).toEqual(before)
  })

  test('and the button are refused once a retry of the run is due', async () => {
    const { driver, reruns } = await due()
    expect(await reruns.retryNodes(driver.runId, null)).toMatchObject({ reason: 'has_rerun' })
    const pressed = await driver.claim(await driver.deliver(1, { retriedByHand: true }))
    expect(pressed).toEqual({ status: 'refused', reason: 'has_rerun' })
    await reruns.decline(driver.runId, DECISION)
    const again = await driver.claimGranted(1, { retriedByHand: true })
    expect(await driver.read()).toMatchObject({ state: 'running', retryDecision: null })
    await again.settle('k1', failure('again'))
    await driver.finish([])
    expect(await reruns.retryOf(driver.runId), 'it failed anew').toBe('due')
  })
})

describe('copyChunks', () => {
  test('of a rerun of everything are none', () => {
    const driver = new Driver(redis(), chain(3))
    const { graph } = driver.graph
    const plan = planRerun(graph, [], 'all')
    expect(copyChunks(graph, plan, [])).toEqual([])
  })
})
