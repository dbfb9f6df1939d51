import { expect, test } from 'vitest'
import { describeWithRedis } from '../setup/namespace.ts'
import { Driver, success, useRedis } from './driver.ts'
import { chain } from './graphs.ts'

const redis = useRedis()
const CHILD = { runId: '0-child', flow: 'task:mail' }

describeWithRedis('recordChild', () => {
  test('is read back by the call, and with the run', async () => {
    const driver = new Driver(redis(), chain(2))
    await driver.openGranted()
    const { coordinator, runId } = driver
    expect(await coordinator.recordChild(runId, 1, 'mail#10', CHILD)).toMatchObject({
      status: 'ok',
    })
    await coordinator.recordChild(runId, 1, 'mail#9', { runId: '0-other', flow: 'a|b' })
    await coordinator.recordChild(runId, 0, 'x.y', CHILD)

    expect(await coordinator.readChild(runId, 1, 'mail#10')).toEqual(CHILD)
    expect(await coordinator.readChild(runId, 0, 'mail#10')).toBeNull()
    expect((await driver.read()).children).toEqual([
      { node: 'k0', key: 'x.y', ...CHILD },
      { node: 'k1', key: 'mail#9', runId: '0-other', flow: 'a|b' },
      { node: 'k1', key: 'mail#10', ...CHILD },
    ])
  })

  test('keeps what was recorded first', async () => {
    const driver = new Driver(redis(), chain(1))
    await driver.openGranted()
    await driver.coordinator.recordChild(driver.runId, 0, 'a', CHILD)
    await driver.coordinator.recordChild(driver.runId, 0, 'a', { runId: '0-late', flow: 'x' })
    expect(await driver.coordinator.readChild(driver.runId, 0, 'a')).toEqual(CHILD)
  })

  test('writes nothing into a run that is gone', async () => {
    const driver = new Driver(redis(), chain(1))
    const answer = await driver.coordinator.recordChild(driver.runId, 0, 'a', CHILD)
    expect(answer).toEqual({ status: 'refused', reason: 'no_run' })
    expect(await driver.allKeys()).toEqual([])
  })

  test('expires with its run', async () => {
    const driver = new Driver(redis(), chain(1))
    const first = await driver.openGranted()
    await driver.coordinator.recordChild(driver.runId, 0, 'a', CHILD)
    await first.settle('k0', success())
    await driver.coordinator.recordChild(driver.runId, 0, 'b', CHILD)
    expect(await redis().pttl(driver.keys.run(driver.runId))).toBeGreaterThan(0)
  })
})
