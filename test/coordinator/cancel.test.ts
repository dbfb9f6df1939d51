import { expect, test } from 'vitest'
import { describeWithRedis } from '../setup/namespace.ts'
import { Driver, failure, parkedFor, success, tickets, useRedis } from './driver.ts'
import { node } from './graphs.ts'

describeWithRedis('cancel', () => {
  const redis = useRedis()
  const fan = [node('a'), node('b', ['a']), node('c', ['a']), node('d', ['b', 'c'])]

  test('grants no claim from then on, and ends the jobs of tickets', async () => {
    const driver = new Driver(redis(), fan)
    const settled = await (await driver.openGranted()).settle('a')
    const [first = 0] = tickets(settled)
    expect(await driver.coordinator.cancel(driver.runId)).toMatchObject({ status: 'ok' })
    expect(await driver.claim(await driver.deliver(first))).toEqual({
      status: 'refused',
      reason: 'cancelled',
    })
  })

  test('refuses the settle of an attempt that was running', async () => {
    const driver = new Driver(redis(), fan)
    const { delivery } = await driver.openGranted()
    await driver.coordinator.cancel(driver.runId)
    expect(await driver.settle(delivery, 'a', success(), 1)).toEqual({
      status: 'refused',
      reason: 'cancelled',
    })
  })

  test('keeps a settle that came first, and gives its answer again', async () => {
    const driver = new Driver(redis(), fan)
    const { delivery } = await driver.openGranted()
    await driver.settle(delivery, 'a', success('kept'), 1)
    await driver.coordinator.cancel(driver.runId)
    expect(await driver.settle(delivery, 'a', success('kept'), 1)).toMatchObject({
      status: 'settled',
    })
    expect(await driver.states()).toEqual({
      a: 'succeeded',
      b: 'cancelled',
      c: 'cancelled',
      d: 'cancelled',
    })
    expect((await driver.read()).state).toBe('cancelled')
  })

  test('lets nothing wait any more', async () => {
    const driver = new Driver(redis(), fan)
    await (await driver.openGranted()).settle('a', parkedFor('breaker', 60_000, 1_000))
    await driver.coordinator.cancel(driver.runId)
    expect(await driver.node('a')).toMatchObject({
      state: 'cancelled',
      waitingFor: null,
      waitingSince: null,
      dueAt: null,
    })
  })

  test('holds for a run that no worker has opened', async () => {
    const driver = new Driver(redis(), fan)
    await driver.coordinator.cancel(driver.runId)
    expect(await driver.open(await driver.deliver(0))).toEqual({
      status: 'refused',
      reason: 'cancelled',
    })
  })

  test('is refused for a run that has ended, and says ok again for one that it ended', async () => {
    const ended = new Driver(redis(), [node('a')])
    await (await ended.openGranted()).settle('a')
    expect(await ended.coordinator.cancel(ended.runId)).toEqual({
      status: 'refused',
      reason: 'final',
    })
    const driver = new Driver(redis(), fan)
    await driver.openGranted()
    await driver.coordinator.cancel(driver.runId)
    expect(await driver.coordinator.cancel(driver.runId)).toMatchObject({ status: 'ok' })
  })

  test('refuses a manual retry: the job fails again, and nothing executes', async () => {
    const driver = new Driver(redis(), [node('a'), node('b')])
    const opened = await driver.openGranted()
    await opened.settle('a', failure('broken'))
    await driver.coordinator.cancel(driver.runId)
    const again = await driver.claim(await driver.deliver(0, { retriedByHand: true }))
    expect(again.status).toBe('ended')
  })

  test('takes the run from the live ones, and lets its keys expire', async () => {
    const driver = new Driver(redis(), fan)
    await driver.openGranted()
    await driver.coordinator.cancel(driver.runId)
    expect(await driver.redis.zscore(driver.keys.live, driver.runId)).toBeNull()
    expect(await driver.redis.pttl(driver.keys.run(driver.runId))).toBeGreaterThan(0)
  })
})
