import { expect, test } from 'vitest'
import { describeWithRedis } from '../setup/namespace.ts'
import { Driver, failure, parkedForLock, retryIn, tickets, useRedis } from './driver.ts'
import { node } from './graphs.ts'

const redis = useRedis()
const WAIT_MS = 60_000

const lockWait = parkedForLock('account-7', WAIT_MS, 2_000)

/** Wakes the node, and returns the tickets to add. */
async function wake(driver: Driver, key: string, attempt = 1): Promise<number[]> {
  const answer = await driver.coordinator.wake(driver.runId, driver.indexOf(key), attempt)
  if (answer.status !== 'ok') throw new Error(`expected ok, got ${answer.reason}`)
  return tickets(answer)
}

/** A run whose only node waits for a lock. */
async function parkedRun(): Promise<Driver> {
  const driver = new Driver(redis(), [node('a')])
  await (await driver.openGranted()).settle('a', lockWait)
  return driver
}

describeWithRedis('a node that waits for a lock', () => {
  test('has given its attempt back, and tells which lock and since when', async () => {
    const driver = new Driver(redis(), [node('a')])
    const settled = await (await driver.openGranted()).settle('a', lockWait)
    expect(settled.rowLeft).toBe('delayed')
    expect(settled.waitMs).toBe(WAIT_MS)
    const read = await driver.node('a')
    expect(read).toMatchObject({
      state: 'waiting',
      waitingFor: 'lock',
      waitingForLock: 'account-7',
      attempts: 0,
      log: [],
    })
    expect((read.dueAt ?? 0) - (read.waitingSince ?? 0)).toBe(WAIT_MS + 2_000)
    expect((await driver.read()).state).toBe('waiting')
  })

  test('looks again when it is due, though nobody has woken it, and gets the same attempt', async () => {
    const driver = await parkedRun()
    await driver.passTime('a', 0)
    const again = await driver.claimGranted(0, { redelivered: true })
    expect(again.grant('a')).toMatchObject({ attempt: 1, retriesUsed: 0, crashes: 0 })
    await again.settle('a')
    expect((await driver.node('a')).waitingForLock).toBeNull()
    expect(await driver.leftovers()).toEqual([])
  })
})

describeWithRedis('a node that waits for a lock in no row', () => {
  test('is adopted, and is not woken before', async () => {
    const driver = await parkedRun()
    await driver.redis.hdel(driver.keys.run(driver.runId), 't0')
    const woken = await driver.coordinator.wake(driver.runId, 0, 1)
    expect(woken).toMatchObject({ status: 'refused', reason: 'changed' })
    const packed = (await driver.field('n0')) ?? ''
    const adopted = await driver.coordinator.adopt(driver.runId, 0, packed)
    expect(adopted).toMatchObject({ status: 'ok', toAdd: [{ ticket: 1 }] })
    await driver.passTime('a', 0)
    expect((await driver.claimGranted(1)).grant('a').attempt).toBe(1)
  })
})

describeWithRedis('wake', () => {
  test('gives the node a ticket of its own, in which it goes on at once', async () => {
    const driver = await parkedRun()
    expect(await wake(driver, 'a')).toEqual([1])
    expect(await driver.node('a')).toMatchObject({ state: 'ready', waitingFor: null })
    const active = await driver.claimGranted(1)
    expect(active.grant('a').attempt).toBe(1)
    await active.settle('a')
    expect((await driver.read()).state).toBe('succeeded')
    expect(await driver.leftovers()).toEqual([])
  })

  test('leaves the job of the old ticket, when it comes, nothing but to add the new one', async () => {
    const driver = await parkedRun()
    // Whoever woke it dies before it adds the job.
    await wake(driver, 'a')
    const old = await driver.claim(await driver.deliver(0))
    expect(old).toMatchObject({ status: 'nothing', toAdd: [{ ticket: 1, indices: [0] }] })
    await (await driver.claimGranted(1)).settle('a')
    const late = await driver.claim(await driver.deliver(0))
    expect(late).toEqual({ status: 'nothing', toAdd: [] })
  })

  test('of an attempt that has yet to be parked lets its parking not wait', async () => {
    const driver = new Driver(redis(), [node('a')])
    const active = await driver.openGranted()
    expect(await wake(driver, 'a')).toEqual([])
    expect(await active.settle('a', lockWait)).toMatchObject({ rowLeft: 'delayed', waitMs: 0 })
    const again = await driver.claimGranted(0)
    expect(again.grant('a').attempt).toBe(1)
    // The mark was for one parking.
    expect(await again.settle('a', lockWait)).toMatchObject({ waitMs: WAIT_MS })
  })

  test('a second time adds nothing, also when the node runs', async () => {
    const driver = await parkedRun()
    expect(await wake(driver, 'a')).toEqual([1])
    expect(await wake(driver, 'a')).toEqual([])
    const active = await driver.claimGranted(1)
    expect(await wake(driver, 'a')).toEqual([])
    expect((await active.settle('a')).runEnd).toBe('succeeded')
  })

  test('takes the node only out of a row that holds others', async () => {
    const nodes = [node('a'), node('b'), node('c')]
    const driver = new Driver(redis(), nodes, { grain: 3 })
    const active = await driver.openGranted({ free: 3, grain: 3 })
    await active.settle('a', lockWait)
    await active.settle('b', lockWait)
    expect(await wake(driver, 'a')).toEqual([1])
    expect(await active.settle('c')).toMatchObject({ rowLeft: 'more' })
    await (await driver.claimGranted(1)).settle('a')
    await driver.passTime('b', 0)
    await (await driver.claimGranted(0)).settle('b')
    expect((await driver.read()).state).toBe('succeeded')
    expect(await driver.leftovers()).toEqual([])
  })

  test('has the row with others owe the ticket, should whoever woke the node die', async () => {
    const driver = new Driver(redis(), [node('a'), node('b')], { grain: 2 })
    const active = await driver.openGranted({ free: 2, grain: 2 })
    await active.settle('a', lockWait)
    await wake(driver, 'a')
    const again = await driver.claim(await driver.deliver(0, { redelivered: true }))
    const added = again.status === 'granted' ? tickets(again) : []
    expect(added).toContain(1)
  })

  test('finds the node in a row that nobody has claimed yet', async () => {
    const driver = new Driver(redis(), [node('a'), node('b')], { grain: 2 })
    const active = await driver.openGranted({ free: 2, grain: 2 })
    await active.settle('a', lockWait)
    await active.settle('b', lockWait)
    const row = (await driver.field('t0')) ?? ''
    const rescued = await driver.coordinator.rescue(driver.runId, 0, row)
    expect(rescued).toMatchObject({ status: 'ok', toAdd: [{ ticket: 1 }] })
    expect(await wake(driver, 'a')).toEqual([2])
    await (await driver.claimGranted(2)).settle('a')
    await driver.passTime('b', 0)
    await (await driver.claimGranted(1)).settle('b')
    expect((await driver.read()).state).toBe('succeeded')
    expect(await driver.leftovers()).toEqual([])
  })

  test('keeps where a decision has moved the node', async () => {
    const driver = new Driver(redis(), [node('a')])
    const place = { queue: 'slow', priority: 7 }
    await (await driver.openGranted()).settle('a', retryIn(0, place))
    await (await driver.claimGranted(1)).settle('a', lockWait)
    const answer = await driver.coordinator.wake(driver.runId, 0, 2)
    expect(answer).toMatchObject({ status: 'ok', toAdd: [{ ticket: 2, place }] })
    expect((await driver.claimGranted(2)).grant('a')).toMatchObject({ attempt: 2, retriesUsed: 1 })
  })

  test.each<[string, number, (driver: Driver) => Promise<unknown>, string]>([
    ['another attempt waits', 2, async () => {}, 'changed'],
    ['the run is paused', 1, (driver) => driver.coordinator.pause(driver.runId), 'changed'],
    ['the run was cancelled', 1, (driver) => driver.coordinator.cancel(driver.runId), 'final'],
    ['the run is gone', 1, (driver) => redis().del(driver.keys.run(driver.runId)), 'no_run'],
  ])('is refused and changes nothing when %s', async (_name, attempt, change, reason) => {
    const driver = await parkedRun()
    await change(driver)
    const before = await driver.dump()
    const answer = await driver.coordinator.wake(driver.runId, 0, attempt)
    expect(answer).toMatchObject({ status: 'refused', reason })
    expect(await driver.dump()).toEqual(before)
  })

  test('is refused for a node that has ended, or was lost with its worker since', async () => {
    const driver = new Driver(redis(), [node('a'), node('b', ['a'])])
    const active = await driver.openGranted()
    await active.settle('a')
    const ended = await driver.coordinator.wake(driver.runId, 0, 1)
    expect(ended).toMatchObject({ status: 'refused', reason: 'changed' })
    const first = await driver.claimGranted(1)
    const second = await driver.claimGranted(1, { redelivered: true })
    expect(second.grant('b').attempt).toBe(2)
    const lost = await driver.coordinator.wake(driver.runId, 1, first.grant('b').attempt)
    expect(lost).toMatchObject({ status: 'refused', reason: 'changed' })
  })

  test('of a node in a row with one that has failed leaves that to be retried by hand', async () => {
    const nodes = [node('a'), node('b')]
    const driver = new Driver(redis(), nodes, { grain: 2 })
    const active = await driver.openGranted({ free: 2, grain: 2 })
    await active.settle('a', failure())
    await active.settle('b', lockWait)
    const [ticket = 0] = await wake(driver, 'b')
    await (await driver.claimGranted(ticket)).settle('b')
    expect((await driver.read()).state).toBe('failed')
    expect(await driver.claim(await driver.deliver(0))).toMatchObject({ status: 'ended' })
    const retried = await driver.claimGranted(0, { retriedByHand: true })
    expect(retried.grant('a').attempt).toBe(2)
    await retried.settle('a')
    expect((await driver.read()).state).toBe('succeeded')
  })
})
