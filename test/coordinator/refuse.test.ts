import { expect, test } from 'vitest'
import { describeWithRedis } from '../setup/namespace.ts'
import { Driver, success, useRedis } from './driver.ts'
import { node } from './graphs.ts'

const redis = useRedis()

const PROBLEM = {
  reason: 'invalid_input',
  error: { name: 'InvalidInput', names: ['InvalidInput', 'Error'], message: 'a | b\n"c" 🦉' },
}
const REFUSAL = { reason: JSON.stringify(PROBLEM), flow: 'test-flow', job: '' }

describeWithRedis('refuse', () => {
  test('records a failed run with its reason', async () => {
    const driver = new Driver(redis(), [node('a')], { failedMs: 5_000_000 })
    const delivery = await driver.deliver(0)
    expect(await driver.coordinator.refuse(delivery, REFUSAL)).toEqual({ status: 'ok', toAdd: [] })
    const run = await driver.read()
    expect(run).toMatchObject({ flow: 'test-flow', state: 'failed', nodes: [], graph: null })
    expect(run.refusal).toEqual(PROBLEM)
    expect(run.endedAt).toBe(run.openedAt)
    expect(await redis().zscore(driver.keys.live, driver.runId)).toBeNull()
    const ttl = await redis().pttl(driver.keys.run(driver.runId))
    expect(ttl).toBeGreaterThan(4_900_000)
    expect(ttl).toBeLessThanOrEqual(5_000_000)
  })

  test('remembers the job of a run whose id is not the job’s', async () => {
    const driver = new Driver(redis(), [node('a')])
    await driver.coordinator.refuse(await driver.deliver(0), { ...REFUSAL, job: 'mail|42' })
    expect(await driver.field('j')).toBe('mail|42')
  })

  test('says the same when it is repeated', async () => {
    const driver = new Driver(redis(), [node('a')])
    const delivery = await driver.deliver(0)
    await driver.coordinator.refuse(delivery, REFUSAL)
    expect(await driver.coordinator.refuse(delivery, REFUSAL)).toEqual({ status: 'ok', toAdd: [] })
    expect((await driver.read()).refusal).toEqual(PROBLEM)
  })

  test('writes nothing when the lock is held by another token', async () => {
    const driver = new Driver(redis(), [node('a')])
    const delivery = await driver.deliver(0)
    await driver.deliver(0)
    const before = await driver.dump()
    const answer = await driver.coordinator.refuse(delivery, REFUSAL)
    expect(answer).toEqual({ status: 'refused', reason: 'lease' })
    expect(await driver.dump()).toEqual(before)
  })

  test('writes nothing when the run was opened', async () => {
    const driver = new Driver(redis(), [node('a')])
    const { delivery } = await driver.openGranted()
    const before = await driver.dump()
    const answer = await driver.coordinator.refuse(delivery, REFUSAL)
    expect(answer).toEqual({ status: 'refused', reason: 'run_exists' })
    expect(await driver.dump()).toEqual(before)
  })

  test('lets no claim and no settle into the run', async () => {
    const driver = new Driver(redis(), [node('a')])
    const delivery = await driver.deliver(0)
    await driver.coordinator.refuse(delivery, REFUSAL)
    const before = await driver.dump()
    expect(await driver.claim(delivery)).toEqual({ status: 'refused', reason: 'run_refused' })
    const settle = await driver.settle(delivery, 'a', success(), 1)
    expect(settle.status).toBe('refused')
    expect(await driver.dump()).toEqual(before)
  })
})
