import { expect, test } from 'vitest'
import { describeWithRedis } from '../setup/namespace.ts'
import { useRedis } from './driver.ts'
import { holder, LimitsDriver } from './shared-limits-driver.ts'

const redis = useRedis()
const LEASE_MS = 60_000
const TURN_MS = LEASE_MS / 3
/** Keys may hold any character, also those that Redis or our own keys give a meaning to. */
const KEY = 'account:{7}/*?'

describeWithRedis('takeLock', () => {
  test('lets one attempt go, and the others wait for the end of its lease', async () => {
    const driver = new LimitsDriver(redis())
    expect(await driver.lock(KEY, 'a')).toBe('go')
    const first = Number(await driver.lock(KEY, 'b'))
    const second = Number(await driver.lock(KEY, 'c'))
    expect(first).toBeGreaterThan(LEASE_MS / 2)
    expect(first).toBeLessThanOrEqual(LEASE_MS)
    expect(second).toBeGreaterThan(LEASE_MS / 2)
    expect(await driver.lock('another', 'b')).toBe('go')
  })

  test('spreads the looks of a long line', async () => {
    const driver = new LimitsDriver(redis())
    await driver.lock(KEY, 'a')
    let last = 0
    for (let i = 0; i < 100; i++) last = Number(await driver.lock(KEY, `w${i}`))
    expect(last).toBeGreaterThan(LEASE_MS / 2 + 9_000)
    // Asking again is no new arrival.
    expect(Number(await driver.lock(KEY, 'w0'))).toBeLessThanOrEqual(LEASE_MS)
  })

  test('gives the same attempt the same lock again, and another attempt of the node none', async () => {
    const driver = new LimitsDriver(redis())
    expect(await driver.lock(KEY, 'a')).toBe('go')
    expect(await driver.lock(KEY, 'a')).toBe('go')
    expect(await driver.lock(KEY, 'a', 2)).toBeTypeOf('number')
    await driver.passTime(LEASE_MS + 1)
    expect(await driver.lock(KEY, 'a')).toBe('go')
  })

  test('gives a lock whose lease has ended to the first in line', async () => {
    const driver = new LimitsDriver(redis())
    await driver.lock(KEY, 'a')
    await driver.lock(KEY, 'b')
    await driver.lock(KEY, 'c')
    await driver.passTime(LEASE_MS + 1)
    expect(await driver.lock(KEY, 'b')).toBe('go')
    expect(await driver.lock(KEY, 'c')).toBeTypeOf('number')
  })

  test('keeps a free lock for the first in line, and has who found it tell him', async () => {
    const driver = new LimitsDriver(redis())
    await driver.lock(KEY, 'a')
    await driver.lock(KEY, 'b')
    await driver.lock(KEY, 'c')
    await driver.passTime(LEASE_MS + 1)
    expect(await driver.lock(KEY, 'newcomer')).toEqual({ called: 'b' })
    // Once is enough.
    expect(await driver.lock(KEY, 'c')).toBeTypeOf('number')
    expect(await driver.lock(KEY, 'b')).toBe('go')
    expect(await driver.release(KEY, 'b')).toBe('c')
    expect(await driver.lock(KEY, 'c')).toBe('go')
    expect(await driver.release(KEY, 'c')).toBe('newcomer')
  })
})

describeWithRedis('releaseLock', () => {
  test('keeps the lock for each in the order of arrival', async () => {
    const driver = new LimitsDriver(redis())
    const names = ['a', 'b', 'c', 'd', 'e']
    for (const name of names) await driver.lock(KEY, name)
    for (const [i, name] of names.entries()) {
      expect(await driver.lock(KEY, 'late')).toBeTypeOf('number')
      expect(await driver.lock(KEY, name)).toBe('go')
      expect(await driver.release(KEY, name)).toBe(names[i + 1] ?? 'late')
    }
  })

  test('leaves nothing when nobody waits', async () => {
    const driver = new LimitsDriver(redis())
    await driver.lock(KEY, 'a')
    expect(await driver.release(KEY, 'a')).toBeNull()
    expect(await driver.storedKeys()).toEqual([])
  })

  test('by an attempt that has lost it does not free the newer holder’s', async () => {
    const driver = new LimitsDriver(redis())
    await driver.lock(KEY, 'a')
    await driver.lock(KEY, 'b')
    await driver.passTime(LEASE_MS + 1)
    await driver.lock(KEY, 'b')
    await driver.lock(KEY, 'c')
    expect(await driver.release(KEY, 'a')).toBeNull()
    expect(await driver.lock(KEY, 'c')).toBeTypeOf('number')
    expect(await driver.release(KEY, 'b', 2)).toBeNull()
    expect(await driver.lock(KEY, 'c')).toBeTypeOf('number')
    expect(await driver.limits.renewLock(KEY, holder('b'))).toBe('ok')
  })

  test('changes nothing the second time', async () => {
    const driver = new LimitsDriver(redis())
    for (const name of ['a', 'b', 'c']) await driver.lock(KEY, name)
    expect(await driver.release(KEY, 'a')).toBe('b')
    expect(await driver.release(KEY, 'a')).toBeNull()
    expect(await driver.lock(KEY, 'b')).toBe('go')
  })

  test('for one that was called and waits no more calls the next', async () => {
    const driver = new LimitsDriver(redis())
    for (const name of ['a', 'gone', 'c']) await driver.lock(KEY, name)
    expect(await driver.release(KEY, 'a')).toBe('gone')
    expect(await driver.release(KEY, 'gone')).toBe('c')
    expect(await driver.lock(KEY, 'c')).toBe('go')
    expect(await driver.release(KEY, 'c')).toBeNull()
  })
})

describeWithRedis('a turn', () => {
  test('that is missed costs the place: the next in line is called by whoever looks', async () => {
    const driver = new LimitsDriver(redis())
    for (const name of ['a', 'busy', 'c', 'd']) await driver.lock(KEY, name)
    expect(await driver.release(KEY, 'a')).toBe('busy')
    await driver.passTime(TURN_MS + 1)
    expect(await driver.lock(KEY, 'd')).toEqual({ called: 'c' })
    expect(await driver.lock(KEY, 'busy')).toBeTypeOf('number')
    expect(await driver.lock(KEY, 'c')).toBe('go')
    expect(await driver.release(KEY, 'c')).toBe('d')
    expect(await driver.lock(KEY, 'd')).toBe('go')
    expect(await driver.release(KEY, 'd')).toBe('busy')
  })

  test('that is missed is still good when nobody has looked since', async () => {
    const driver = new LimitsDriver(redis())
    for (const name of ['a', 'b', 'c']) await driver.lock(KEY, name)
    await driver.release(KEY, 'a')
    await driver.passTime(TURN_MS + 1)
    expect(await driver.lock(KEY, 'b')).toBe('go')
  })

  test('is short: who waits for it looks before a lease would have ended', async () => {
    const driver = new LimitsDriver(redis())
    for (const name of ['a', 'b']) await driver.lock(KEY, name)
    await driver.release(KEY, 'a')
    expect(Number(await driver.lock(KEY, 'c'))).toBeLessThan(LEASE_MS / 2)
  })
})

describeWithRedis('renewLock', () => {
  test('makes the lease last', async () => {
    const driver = new LimitsDriver(redis())
    await driver.lock(KEY, 'a')
    for (let i = 0; i < 3; i++) {
      await driver.passTime(LEASE_MS - 10_000)
      expect(await driver.limits.renewLock(KEY, holder('a'))).toBe('ok')
    }
    expect(await driver.lock(KEY, 'b')).toBeTypeOf('number')
  })

  test('tells an attempt that the lock is another’s, or kept for one', async () => {
    const driver = new LimitsDriver(redis())
    await driver.lock(KEY, 'a')
    await driver.lock(KEY, 'b')
    await driver.passTime(LEASE_MS + 1)
    await driver.lock(KEY, 'c')
    expect(await driver.limits.renewLock(KEY, holder('a'))).toBe('stale')
    // It is b's turn, but b does not run yet.
    expect(await driver.limits.renewLock(KEY, holder('b'))).toBe('stale')
    expect(await driver.lock(KEY, 'b')).toBe('go')
    expect(await driver.limits.renewLock(KEY, holder('a'))).toBe('stale')
  })
})
