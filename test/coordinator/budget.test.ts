import { expect, test } from 'vitest'
import { describeWithRedis } from '../setup/namespace.ts'
import { useRedis } from './driver.ts'
import { holder, LimitsDriver } from './shared-limits-driver.ts'

const redis = useRedis()
// Slow enough for what a test takes itself to add next to nothing.
const SLOW = { key: 'service', ratio: 0.5, minPerSecond: 0.01, burst: 3 }

describeWithRedis('takeBudget', () => {
  test('lets as many retries go as the bucket holds, and no more', async () => {
    const driver = new LimitsDriver(redis())
    const answers: unknown[] = []
    for (const name of ['a', 'b', 'c', 'd']) answers.push(await driver.budget(SLOW, name))
    expect(answers.slice(0, 3)).toEqual(['go', 'go', 'go'])
    expect(answers[3]).toBeGreaterThan(90_000 / 2)
  })

  test('gives the same attempt the same permit again, at no cost', async () => {
    const driver = new LimitsDriver(redis())
    const once = { ...SLOW, burst: 1 }
    expect(await driver.budget(once, 'a')).toBe('go')
    expect(await driver.budget(once, 'a')).toBe('go')
    expect(await driver.budget(once, 'a', 3)).toBeTypeOf('number')
  })

  test('gives a new permit when the lease of the old one has ended', async () => {
    const driver = new LimitsDriver(redis(), 1_000)
    const once = { ...SLOW, burst: 1 }
    await driver.budget(once, 'a')
    await driver.passTime(1_001)
    expect(await driver.budget(once, 'a')).toBeTypeOf('number')
  })

  test('adds `ratio` for each first attempt, which never waits', async () => {
    const driver = new LimitsDriver(redis())
    for (const name of ['a', 'b', 'c']) await driver.budget(SLOW, name)
    expect(await driver.budget(SLOW, 'x', 1)).toBe('go')
    expect(await driver.budget(SLOW, 'x', 1)).toBe('go')
    expect(await driver.budget(SLOW, 'd')).toBeTypeOf('number')
    await driver.budget(SLOW, 'y', 1)
    expect(await driver.budget(SLOW, 'd')).toBe('go')
    expect(await driver.budget(SLOW, 'e')).toBeTypeOf('number')
  })

  test('adds `minPerSecond`, up to `burst`', async () => {
    const driver = new LimitsDriver(redis())
    for (const name of ['a', 'b', 'c']) await driver.budget(SLOW, name)
    await driver.passTime(200_000)
    expect(await driver.budget(SLOW, 'd')).toBe('go')
    expect(await driver.budget(SLOW, 'e')).toBe('go')
    expect(await driver.budget(SLOW, 'f')).toBeTypeOf('number')
    await driver.passTime(10_000_000)
    for (const name of ['g', 'h', 'i']) expect(await driver.budget(SLOW, name)).toBe('go')
    expect(await driver.budget(SLOW, 'j')).toBeTypeOf('number')
  })

  test('spreads those that wait, in the order in which they came', async () => {
    const driver = new LimitsDriver(redis())
    const even = { key: 'service', ratio: 0, minPerSecond: 1, burst: 1 }
    await driver.budget(even, 'first')
    const waits: number[] = []
    for (const name of ['a', 'b', 'c', 'd']) waits.push(Number(await driver.budget(even, name)))
    waits.forEach((wait, i) => {
      expect(Math.abs(wait - (i + 1) * 1_000)).toBeLessThan(300)
    })
  })

  test('keeps the tokens for those that wait longer: a newcomer goes behind them', async () => {
    const driver = new LimitsDriver(redis())
    const even = { key: 'service', ratio: 0, minPerSecond: 1, burst: 5 }
    for (let i = 0; i < 5; i++) await driver.budget(even, `first-${i}`)
    for (const name of ['a', 'b', 'c']) await driver.budget(even, name)
    await driver.passTime(2_000)
    expect(await driver.budget(even, 'newcomer')).toBeTypeOf('number')
    expect(await driver.budget(even, 'c')).toBeTypeOf('number')
    expect(await driver.budget(even, 'a')).toBe('go')
    expect(await driver.budget(even, 'b')).toBe('go')
    expect(await driver.budget(even, 'c')).toBeTypeOf('number')
  })

  test('is not held up by those that do not come any more', async () => {
    const driver = new LimitsDriver(redis())
    const even = { key: 'service', ratio: 0, minPerSecond: 1, burst: 1 }
    for (const name of ['first', 'gone', 'b']) await driver.budget(even, name)
    await driver.passTime(5_000)
    expect(await driver.budget(even, 'b')).toBe('go')
  })

  test('lets whoever asks have what a full bucket gives, while those before it do not come', async () => {
    const driver = new LimitsDriver(redis())
    const quick = { key: 'service', ratio: 0, minPerSecond: 0.1, burst: 2 }
    for (const name of ['x', 'y', 'a', 'b', 'c']) await driver.budget(quick, name)
    await driver.passTime(20_000)
    expect(await driver.budget(quick, 'newcomer')).toBe('go')
    expect(await driver.budget(quick, 'another')).toBeTypeOf('number')
    expect(await driver.budget(quick, 'a')).toBe('go')
  })

  test('tells how long a node has waited, from its first asking on', async () => {
    const driver = new LimitsDriver(redis())
    const once = { ...SLOW, burst: 1 }
    await driver.budget(once, 'first')
    await driver.budget(once, 'a')
    await driver.passTime(10_000)
    const answer = await driver.limits.takeBudget(once, holder('a', 2))
    expect(answer.status === 'wait' && answer.waitedMs).toBeGreaterThanOrEqual(10_000)
  })

  test('makes those far back ask again after one to two minutes, in their order', async () => {
    const driver = new LimitsDriver(redis())
    const once = { ...SLOW, minPerSecond: 0.001, burst: 1 }
    await driver.budget(once, 'first')
    const waits: number[] = []
    for (let i = 0; i < 10; i++) waits.push(Number(await driver.budget(once, `w${i}`)))
    for (const [i, wait] of waits.entries()) {
      expect(wait).toBeGreaterThanOrEqual(Math.max(60_000, waits[i - 1] ?? 0))
      expect(wait).toBeLessThanOrEqual(120_000)
    }
  })

  test('has a bucket per key, whatever characters are in it', async () => {
    const driver = new LimitsDriver(redis())
    const odd = { ...SLOW, burst: 1 }
    for (const key of ['a', 'a:b', '-taken:a', '{x}', 'é /"']) {
      expect(await driver.budget({ ...odd, key }, 'r')).toBe('go')
      expect(await driver.budget({ ...odd, key }, 's')).toBeTypeOf('number')
    }
  })

  test('expires when nobody uses it, and not before its bucket is full again', async () => {
    const driver = new LimitsDriver(redis())
    const slowest = { key: 'slowest', ratio: 0, minPerSecond: 0.001, burst: 1_000 }
    await driver.budget(slowest, 'a')
    const [key = ''] = await redis().keys('*/budget:slowest')
    expect(await redis().pttl(key)).toBeGreaterThan(999_000_000)
  })
})
