import { expect, test } from 'vitest'
import { MoveBatch } from '../../src/coordinator/batch.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { Driver, failure, retryIn, tickets, useRedis } from './driver.ts'
import { node } from './graphs.ts'

describeWithRedis('pause', () => {
  const redis = useRedis()
  const fan = [node('a'), node('b', ['a']), node('c', ['a']), node('d', ['b', 'c'])]

  test('lets a settle resolve what depends on it, but dispatch nothing', async () => {
    const driver = new Driver(redis(), fan)
    const active = await driver.openGranted()
    await driver.coordinator.pause(driver.runId)
    expect(await active.settle('a')).toMatchObject({ rowLeft: 'empty', toAdd: [], grants: [] })
    expect(await driver.node('b')).toMatchObject({ state: 'waiting', waitingFor: 'pause' })
    expect((await driver.read()).state).toBe('paused')
  })

  test('ends with its run: what is retried by hand then runs', async () => {
    const driver = new Driver(redis(), [node('a')])
    const active = await driver.openGranted()
    await driver.coordinator.pause(driver.runId)
    await active.settle('a', failure())
    expect((await driver.read()).state).toBe('failed')
    const retried = await driver.claimGranted(0, { retriedByHand: true })
    expect(retried.keys).toEqual(['a'])
    await retried.settle('a')
    expect((await driver.read()).state).toBe('succeeded')
  })

  test('outlives a manual retry in a run that has not ended', async () => {
    const driver = new Driver(redis(), [node('a'), node('b')])
    const active = await driver.openGranted()
    await active.settle('a', failure())
    await driver.coordinator.pause(driver.runId)
    const answer = await driver.claim(await driver.deliver(0, { retriedByHand: true }))
    expect(answer).toMatchObject({ status: 'granted', grants: [] })
    expect(await driver.node('a')).toMatchObject({ waitingFor: 'pause' })
  })

  test('parks what a claim finds', async () => {
    const driver = new Driver(redis(), fan)
    const settled = await (await driver.openGranted()).settle('a')
    await driver.coordinator.pause(driver.runId)
    for (const ticket of tickets(settled)) {
      const answer = await driver.claim(await driver.deliver(ticket))
      expect(answer).toMatchObject({ status: 'granted', grants: [], rowLeft: 'empty' })
    }
    expect(await driver.node('c')).toMatchObject({ state: 'waiting', waitingFor: 'pause' })
  })

  test('ends with resume: every parked node gets a ticket, and the run its end', async () => {
    const driver = new Driver(redis(), fan)
    const active = await driver.openGranted()
    await driver.coordinator.pause(driver.runId)
    await active.settle('a')
    const resumed = await driver.coordinator.resume(driver.runId)
    if (resumed.status !== 'ok') throw new Error('expected ok')
    expect(resumed.toAdd).toHaveLength(2)
    await driver.finish(tickets(resumed), {})
    expect((await driver.read()).state).toBe('succeeded')
    expect(await driver.leftovers()).toEqual([])
  })

  test('keeps the count of attempts and retries of a node that was to be retried', async () => {
    const driver = new Driver(redis(), [node('a')])
    await (await driver.openGranted()).settle('a', retryIn(1))
    await driver.coordinator.pause(driver.runId)
    await expect
      .poll(async () => (await driver.claim(await driver.deliver(0))).status)
      .toBe('nothing')
    const resumed = await driver.coordinator.resume(driver.runId)
    if (resumed.status !== 'ok') throw new Error('expected ok')
    const [ticket = 0] = tickets(resumed)
    const again = await driver.claimGranted(ticket)
    expect(again.grant('a')).toMatchObject({ attempt: 2, retriesUsed: 1 })
  })

  test('leaves a node its delay, and parks it when that is over', async () => {
    const driver = new Driver(redis(), [node('a'), node('b', ['a'], { delayMs: 60_000 })])
    const active = await driver.openGranted()
    await driver.coordinator.pause(driver.runId)
    const settled = await active.settle('a')
    expect(settled.toAdd).toMatchObject([{ ticket: 1, delayMs: 60_000 }])
    await driver.coordinator.resume(driver.runId)
    expect(await driver.node('b')).toMatchObject({ state: 'waiting', waitingFor: 'delay' })
    await driver.coordinator.pause(driver.runId)
    await driver.passTime('b', 0)
    await driver.claim(await driver.deliver(1))
    expect(await driver.node('b')).toMatchObject({ state: 'waiting', waitingFor: 'pause' })
    const resumed = await driver.coordinator.resume(driver.runId)
    await driver.finish(resumed.status === 'ok' ? tickets(resumed) : [], {})
    expect((await driver.read()).state).toBe('succeeded')
  })

  test('keeps where a decision has moved a node', async () => {
    const driver = new Driver(redis(), [node('a')])
    const place = { queue: 'slow', priority: 7 }
    const moved = await (await driver.openGranted()).settle('a', retryIn(0, place))
    await driver.coordinator.pause(driver.runId)
    const [ticket = 0] = tickets(moved)
    await driver.claim(await driver.deliver(ticket))
    const resumed = await driver.coordinator.resume(driver.runId)
    expect(resumed).toMatchObject({ status: 'ok', toAdd: [{ indices: [0], place }] })
  })

  test('is refused for a run that is unknown or has ended; resume twice dispatches once', async () => {
    const driver = new Driver(redis(), [node('a'), node('b', ['a'])])
    expect(await driver.coordinator.pause(driver.runId)).toMatchObject({ reason: 'no_run' })
    const active = await driver.openGranted()
    await driver.coordinator.pause(driver.runId)
    await active.settle('a')
    const first = await driver.coordinator.resume(driver.runId)
    expect(first).toMatchObject({ status: 'ok' })
    expect(await driver.coordinator.resume(driver.runId)).toMatchObject({ toAdd: [] })
    await driver.finish(first.status === 'ok' ? tickets(first) : [], {})
    expect(await driver.coordinator.pause(driver.runId)).toMatchObject({ reason: 'final' })
  })

  test('keeps what is left when the run is paused again while its nodes are released', async () => {
    const many = Array.from({ length: 250 }, (_, i) => node(`n${i}`, ['a']))
    const driver = new Driver(redis(), [node('a'), ...many])
    const { coordinator, keys, runId } = driver
    const active = await driver.openGranted()
    await coordinator.pause(runId)
    await active.settle('a')
    const waiting = async () =>
      Object.values(await driver.states()).filter((state) => state === 'waiting').length
    expect(await waiting()).toBe(250)
    // Whoever resumes dies after the first chunk.
    const moves = new MoveBatch(redis(), keys.live, [keys.prefix, 3_600_000, 3_600_000, 3])
    expect(await moves.run('resume', [runId])).toEqual(['ok'])
    expect(await waiting()).toBe(250)
    const [, first] = await moves.run('release', [runId])
    expect(await waiting()).toBe(150)
    expect((await driver.read()).state).toBe('running')

    await coordinator.pause(runId)
    expect(await coordinator.release(runId)).toEqual({ status: 'refused', reason: 'changed' })
    expect(await waiting()).toBe(150)
    const rest = await coordinator.resume(runId)
    expect(rest.status === 'ok' && rest.toAdd).toHaveLength(150)
    expect(await coordinator.release(runId)).toMatchObject({ status: 'ok', toAdd: [] })
    const released = String(first)
      .split(';')
      .map((ticket) => Number.parseInt(ticket, 10))
    await driver.finish([...released, ...(rest.status === 'ok' ? tickets(rest) : [])])
    expect((await driver.read()).state).toBe('succeeded')
    expect(await driver.field('pk')).toBeNull()
  })
})
