import { describe, expect, test } from 'vitest'
import type { BreakerSettings } from '../../src/core/shared-limits.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { useRedis } from './driver.ts'
import { holder, LimitsDriver } from './shared-limits-driver.ts'

const redis = useRedis()
const OPEN_MS = 60_000
const BASICS = { key: 'service', openFor: OPEN_MS, probes: 1, releasePerSecond: 1 }
const BREAKER: BreakerSettings = { ...BASICS, failures: 3 }

async function opened(
  settings: BreakerSettings = BREAKER,
  leaseMs = 60_000,
): Promise<LimitsDriver> {
  const driver = new LimitsDriver(redis(), leaseMs)
  const failures = 'failures' in settings ? settings.failures : 0
  for (let i = 0; i < failures; i++) await driver.attempt(settings, `opener-${i}`, 'failed')
  return driver
}

describeWithRedis('a breaker', () => {
  describe('closed', () => {
    test('opens after `failures` in a row', async () => {
      const driver = new LimitsDriver(redis())
      const states: string[] = []
      const verdicts = ['failed', 'failed', 'succeeded', 'failed', 'neutral', 'failed', 'failed']
      for (const [i, verdict] of verdicts.entries()) {
        states.push(await driver.attempt(BREAKER, `r${i}`, verdict as 'failed'))
      }
      expect(states).toEqual([...Array(6).fill('closed'), 'open'])
      const wait = await driver.breaker(BREAKER, 'next')
      expect(Number(wait)).toBeGreaterThan(OPEN_MS - 5_000)
      expect(Number(wait)).toBeLessThanOrEqual(OPEN_MS)
    })

    test('opens when a share of a window failed, if there were enough', async () => {
      const driver = new LimitsDriver(redis())
      const sampled = { ...BASICS, failureRatio: 0.5, window: 3_600_000, minAttempts: 6 }
      const states: string[] = []
      const verdicts = ['failed', 'failed', 'failed', 'succeeded', 'neutral', 'succeeded', 'failed']
      for (const [i, verdict] of verdicts.entries()) {
        states.push(await driver.attempt(sampled, `r${i}`, verdict as 'failed'))
      }
      expect(states).toEqual([...Array(6).fill('closed'), 'open'])
    })

    test('forgets what has left its window', async () => {
      const driver = new LimitsDriver(redis())
      const sampled = { ...BASICS, failureRatio: 1, window: 100, minAttempts: 3 }
      await driver.attempt(sampled, 'a', 'failed')
      await driver.attempt(sampled, 'b', 'failed')
      await new Promise((resolve) => setTimeout(resolve, 250))
      expect(await driver.attempt(sampled, 'c', 'failed')).toBe('closed')
    })

    test('does not count what began before it opened', async () => {
      const driver = new LimitsDriver(redis())
      const late = await driver.permit(BREAKER, 'late')
      for (const name of ['a', 'b', 'c']) await driver.attempt(BREAKER, name, 'failed')
      const report = () => driver.limits.reportBreaker(BREAKER, holder('late'), late, 'succeeded')
      expect(await report()).toBe('stale')
      await driver.passTime(OPEN_MS)
      expect(await driver.breaker(BREAKER, 'probe')).toBe('probe')
      expect(await report()).toBe('stale')
      expect(await driver.attempt(BREAKER, 'probe', 'succeeded')).toBe('closed')
      expect(await report()).toBe('stale')
    })
  })

  describe('half-open', () => {
    test('lets through `probes`, which all have to succeed', async () => {
      const three = { ...BREAKER, probes: 3 }
      const driver = await opened(three)
      await driver.passTime(OPEN_MS)
      const permits = []
      for (const name of ['a', 'b', 'c'])
        permits.push([name, await driver.permit(three, name)] as const)
      expect(await driver.breaker(three, 'd')).toBeTypeOf('number')
      const states: string[] = []
      for (const [name, permit] of permits) {
        expect(await driver.breaker(three, 'd')).toBeTypeOf('number')
        states.push(await driver.limits.reportBreaker(three, holder(name), permit, 'succeeded'))
      }
      expect(states).toEqual(['half_open', 'half_open', 'closed'])
      expect(await driver.breaker(three, 'newcomer')).toBe('go')
    })

    test('opens again when one fails; the others then count for nothing', async () => {
      const two = { ...BREAKER, probes: 2 }
      const driver = await opened(two)
      await driver.passTime(OPEN_MS)
      const a = await driver.permit(two, 'a')
      const b = await driver.permit(two, 'b')
      expect(await driver.limits.reportBreaker(two, holder('a'), a, 'failed')).toBe('open')
      expect(await driver.limits.reportBreaker(two, holder('b'), b, 'succeeded')).toBe('stale')
      expect(Number(await driver.breaker(two, 'c'))).toBeGreaterThan(OPEN_MS - 5_000)
    })

    test('lets another probe through for one that says nothing', async () => {
      const driver = await opened()
      await driver.passTime(OPEN_MS)
      expect(await driver.attempt(BREAKER, 'a', 'neutral')).toBe('half_open')
      expect(await driver.breaker(BREAKER, 'b')).toBe('probe')
    })

    test('gives the same attempt the same probe again', async () => {
      const driver = await opened()
      await driver.passTime(OPEN_MS)
      expect(await driver.permit(BREAKER, 'a')).toEqual(await driver.permit(BREAKER, 'a'))
      expect(await driver.breaker(BREAKER, 'b')).toBeTypeOf('number')
    })

    test('counts the report of a probe once', async () => {
      const two = { ...BREAKER, probes: 2 }
      const driver = await opened(two)
      await driver.passTime(OPEN_MS)
      const permit = await driver.permit(two, 'a')
      const report = () => driver.limits.reportBreaker(two, holder('a'), permit, 'succeeded')
      expect(await report()).toBe('half_open')
      expect(await report()).toBe('stale')
    })

    test('lets another probe through when the lease of one has ended', async () => {
      const driver = await opened(BREAKER, 1_000)
      await driver.passTime(OPEN_MS)
      const lost = await driver.permit(BREAKER, 'lost')
      await driver.passTime(1_001)
      expect(await driver.breaker(BREAKER, 'b')).toBe('probe')
      expect(await driver.limits.renewProbe('service', holder('lost'))).toBe('stale')
      expect(await driver.limits.reportBreaker(BREAKER, holder('lost'), lost, 'failed')).toBe(
        'stale',
      )
      expect(await driver.breaker(BREAKER, 'c')).toBeTypeOf('number')
    })

    test('keeps the place of a probe that is renewed', async () => {
      const driver = await opened(BREAKER, 1_000)
      await driver.passTime(OPEN_MS)
      await driver.permit(BREAKER, 'a')
      await driver.passTime(600)
      expect(await driver.limits.renewProbe('service', holder('a'))).toBe('ok')
      await driver.passTime(600)
      expect(await driver.breaker(BREAKER, 'b')).toBeTypeOf('number')
    })
  })

  describe('with nodes that wait', () => {
    test('makes the first ones the probes, and spreads the others behind them', async () => {
      const two = { ...BREAKER, probes: 2 }
      const driver = await opened(two)
      const waits: number[] = []
      for (const name of ['a', 'b', 'c', 'd']) waits.push(Number(await driver.breaker(two, name)))
      const [a = 0, b = 0, c = 0, d = 0] = waits
      expect(Math.abs(b - a)).toBeLessThan(300)
      expect(Math.abs(c - b - 1_000)).toBeLessThan(300)
      expect(Math.abs(d - c - 1_000)).toBeLessThan(300)
      await driver.passTime(OPEN_MS)
      expect(await driver.breaker(two, 'newcomer')).toBeTypeOf('number')
      expect(await driver.breaker(two, 'c')).toBeTypeOf('number')
      expect(await driver.breaker(two, 'b')).toBe('probe')
      expect(await driver.breaker(two, 'a')).toBe('probe')
    })

    test('releases them one after the other when it has closed, and holds up no newcomer', async () => {
      const driver = await opened()
      for (const name of ['probe', 'a', 'b', 'c']) await driver.breaker(BREAKER, name)
      await driver.passTime(OPEN_MS)
      expect(await driver.attempt(BREAKER, 'probe', 'succeeded')).toBe('closed')
      expect(await driver.breaker(BREAKER, 'b')).toBeTypeOf('number')
      expect(await driver.breaker(BREAKER, 'newcomer')).toBe('go')
      expect(await driver.breaker(BREAKER, 'a')).toBe('go')
      expect(await driver.breaker(BREAKER, 'b')).toBeTypeOf('number')
      await driver.passTime(1_000)
      expect(await driver.breaker(BREAKER, 'b')).toBe('go')
      expect(await driver.breaker(BREAKER, 'c')).toBeTypeOf('number')
    })

    test('saves up the places of one second at most', async () => {
      const five = { ...BREAKER, releasePerSecond: 5 }
      const driver = await opened(five)
      const names = Array.from({ length: 12 }, (_, i) => `w${i}`)
      for (const name of names) await driver.breaker(five, name)
      await driver.passTime(OPEN_MS)
      await driver.attempt(five, 'w0', 'succeeded')
      await driver.passTime(100_000)
      const answers: unknown[] = []
      for (const name of names.slice(1)) answers.push(await driver.breaker(five, name))
      expect(answers.filter((answer) => answer === 'go').length).toBeLessThanOrEqual(6)
      expect(answers.slice(0, 5)).toEqual(Array(5).fill('go'))
    })

    test('takes another one for a probe when those before it do not come', async () => {
      const driver = await opened()
      for (const name of ['gone', 'far', 'back']) await driver.breaker(BREAKER, name)
      await driver.passTime(OPEN_MS)
      expect(await driver.breaker(BREAKER, 'newcomer')).toBeTypeOf('number')
      await driver.passTime(2_500)
      expect(await driver.breaker(BREAKER, 'newcomer')).toBe('probe')
    })

    test('keeps their order when it opens again', async () => {
      const driver = await opened()
      for (const name of ['probe', 'a', 'b']) await driver.breaker(BREAKER, name)
      await driver.passTime(OPEN_MS)
      expect(await driver.attempt(BREAKER, 'probe', 'failed')).toBe('open')
      const b = Number(await driver.breaker(BREAKER, 'b'))
      const a = Number(await driver.breaker(BREAKER, 'a'))
      expect(b).toBeGreaterThan(a + 700)
      await driver.passTime(OPEN_MS)
      expect(await driver.breaker(BREAKER, 'b')).toBeTypeOf('number')
      expect(await driver.breaker(BREAKER, 'a')).toBe('probe')
    })
  })
})
