import { expect, test } from 'vitest'
import { describeWithRedis } from '../setup/namespace.ts'
import { Driver, failure, retryIn, success, useRedis } from './driver.ts'
import { chain, node } from './graphs.ts'

const redis = useRedis()

describeWithRedis('the keys of a run', () => {
  test('have no expiry while the run goes on', async () => {
    const driver = new Driver(redis(), chain(2))
    const first = await driver.openGranted()
    await first.settle('k0', retryIn(0))
    const again = await driver.claimGranted(0)
    await again.settle('k0')
    const { runId, keys } = driver
    for (const key of [keys.run(runId), keys.out(runId), keys.log(runId)]) {
      expect(await redis().pttl(key)).toBe(-1)
    }
  })

  test.each([
    ['succeeded', success(), 5_000_000],
    ['failed', failure(), 9_000_000],
  ])('expire as configured when the run has %s', async (_state, outcome, expectedMs) => {
    const settings = { succeededMs: 5_000_000, failedMs: 9_000_000 }
    const driver = new Driver(redis(), chain(2), settings)
    const first = await driver.openGranted()
    await first.settle('k0', retryIn(0))
    await (await driver.claimGranted(0)).settle('k0')
    await (await driver.claimGranted(1)).settle('k1', outcome)
    const { runId, keys } = driver
    for (const key of [keys.run(runId), keys.out(runId), keys.log(runId)]) {
      const ttl = await redis().pttl(key)
      expect(ttl).toBeGreaterThan(expectedMs - 10_000)
      expect(ttl).toBeLessThanOrEqual(expectedMs)
    }
  })

  test.each([
    ['succeeded', success()],
    ['failed', failure()],
    ['failed by a crash loop', null],
  ])('are gone after that, all but the graph: %s', async (_name, outcome) => {
    const nodes = [node('a'), node('b'), node('c', ['a', 'b'])]
    const settings = { succeededMs: 40, failedMs: 40, maxCrashes: 0 }
    const driver = new Driver(redis(), nodes, settings)
    const a = await driver.openGranted()
    await a.settle('a')
    await driver.release(a.delivery)
    const b = await driver.claimGranted(1)
    await b.settle('b', retryIn(0))
    const again = await driver.claimGranted(1)
    if (outcome) await again.settle('b', outcome)
    else await driver.claim(await driver.deliver(1, { redelivered: true }))
    await driver.release(again.delivery)
    if (outcome?.kind === 'succeeded') {
      const c = await driver.claimGranted(2)
      await c.settle('c')
      await driver.release(c.delivery)
    }
    expect((await driver.read()).endedAt).not.toBeNull()
    await expect.poll(() => driver.allKeys()).toEqual([driver.keys.graph(driver.graph.hash)])
    expect(await redis().pttl(driver.keys.graph(driver.graph.hash))).toBeGreaterThan(0)
  })

  test('are gone after that: refused', async () => {
    const driver = new Driver(redis(), [node('a')], { failedMs: 40 })
    const delivery = await driver.deliver(0)
    await driver.coordinator.refuse(delivery, { reason: '{}', flow: '', job: '' })
    await driver.release(delivery)
    await expect.poll(() => driver.allKeys()).toEqual([])
  })
})
