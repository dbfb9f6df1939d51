import { expect, test } from 'vitest'
import type { GoOn } from '../../src/coordinator/moves.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { Driver, failure, granted, retryIn, success, tickets, useRedis } from './driver.ts'
import { chain, gate, join, node, settledOf } from './graphs.ts'

const redis = useRedis()

/** Nodes of the default place go on: `slots` at once, `grain` in a row. */
function going({ slots = 1, grain = 1 } = {}): GoOn {
  return { place: 0, grain, slots }
}

describeWithRedis('a settle that goes on', () => {
  test('grants the node that became ready, in the same row under the same lease', async () => {
    const driver = new Driver(redis(), chain(3))
    const first = await driver.openGranted()
    const second = await first.settle('k0', success(), going())
    expect(second).toMatchObject({
      rowLeft: 'more',
      toAdd: [],
      grants: [{ index: 1, attempt: 1, retriesUsed: 0, crashes: 0, fencingToken: 2 }],
    })
    const third = await driver.settle(first.delivery, 'k1', success(), 1, going())
    expect(third).toMatchObject({ grants: [{ index: 2, fencingToken: 3 }] })
    const last = await driver.settle(first.delivery, 'k2', success(), 1, going())
    expect(last).toMatchObject({ rowLeft: 'empty', runEnd: 'succeeded', grants: [] })
    expect(await driver.leftovers()).toEqual([])
  })

  test('keeps as many ready nodes as the grain allows, and owes tickets for the others', async () => {
    const leaves = ['b', 'c', 'd', 'e', 'f'].map((key) => node(key, ['a']))
    const driver = new Driver(redis(), [node('a'), ...leaves])
    const first = await driver.openGranted()
    const answer = await first.settle('a', success(), going({ grain: 2 }))
    expect(answer.grants).toMatchObject([{ index: 1 }])
    expect(answer.toAdd).toMatchObject([
      { ticket: 1, indices: [3, 4] },
      { ticket: 2, indices: [5] },
    ])
    expect(await driver.states()).toMatchObject({
      b: 'running',
      c: 'ready',
      d: 'ready',
      f: 'ready',
    })
    const next = await driver.settle(first.delivery, 'b', success(), 1, going())
    expect(next).toMatchObject({ grants: [{ index: 2 }], toAdd: [] })
  })

  test('grants several at once when there are slots', async () => {
    const driver = new Driver(redis(), [node('a'), node('b', ['a']), node('c', ['a'])])
    const first = await driver.openGranted()
    const { grants } = await first.settle('a', success(), going({ slots: 2, grain: 2 }))
    expect(grants.map(({ index }) => index)).toEqual([1, 2])
  })

  test.each<[string, GoOn]>([
    ['of another place', { place: 7, grain: 1, slots: 1 }],
    ['at all', { place: -1, grain: 1, slots: 1 }],
  ])('keeps no node that is not %s', async (_name, goOn) => {
    const driver = new Driver(redis(), chain(2))
    const answer = await (await driver.openGranted()).settle('k0', success(), goOn)
    expect(answer).toMatchObject({ rowLeft: 'empty', grants: [], toAdd: [{ indices: [1] }] })
  })

  test('leaves a node with a delay to a ticket of its own', async () => {
    const driver = new Driver(redis(), [node('a'), node('b', ['a'], { delayMs: 60_000 })])
    const answer = await (await driver.openGranted()).settle('a', success(), going())
    expect(answer).toMatchObject({ rowLeft: 'empty', grants: [], toAdd: [{ delayMs: 60_000 }] })
  })

  test('brings the values of a node with several upstreams', async () => {
    const driver = new Driver(redis(), [node('a'), node('b', ['a']), node('c', ['a', 'b'])])
    const first = await driver.openGranted()
    await first.settle('a', success({ n: 1 }), going())
    const answer = await driver.settle(first.delivery, 'b', success([2]), 1, going())
    expect(answer).toMatchObject({
      grants: [{ index: 2 }],
      values: [
        { index: 0, state: 'S', payload: '{"n":1}' },
        { index: 1, state: 'S', payload: '[2]' },
      ],
    })
  })

  test('brings the failure behind a gate and a settled', async () => {
    const nodes = [
      node('x'),
      gate('gate', 'x'),
      node('plan', ['gate']),
      join('join', 'x', 'plan'),
      settledOf('settled', 'x'),
      node('report', ['settled']),
    ]
    const driver = new Driver(redis(), nodes)
    const first = await driver.openGranted()
    const answer = await first.settle('x', failure('the cause'), going({ grain: 2 }))
    expect(answer.grants).toMatchObject([{ index: 2 }])
    const x = answer.values.find(({ index }) => index === 0)
    expect(x).toMatchObject({ state: 'F' })
    expect(x?.payload).toContain('the cause')
  })

  test('moves a retry to a ticket of its own when the row holds others', async () => {
    const driver = new Driver(redis(), [node('a'), node('b', ['a']), node('c', ['a'])])
    const first = await driver.openGranted()
    await first.settle('a', success(), going({ slots: 2, grain: 2 }))
    const answer = await driver.settle(first.delivery, 'b', retryIn(60_000), 1, going())
    expect(answer).toMatchObject({ rowLeft: 'more', toAdd: [{ ticket: 1, indices: [1] }] })
    expect((await driver.node('b')).state).toBe('retrying')
    expect(await driver.settle(first.delivery, 'c', success(), 1)).toMatchObject({
      rowLeft: 'empty',
    })
  })

  test('fails the row’s job only when nothing else is left in the row', async () => {
    const driver = new Driver(redis(), [node('a'), node('b', ['a']), node('c', ['a'])])
    const first = await driver.openGranted()
    await first.settle('a', success(), going({ slots: 2, grain: 2 }))
    const failed = await driver.settle(first.delivery, 'b', failure('of b'), 1)
    expect(failed).toMatchObject({ rowLeft: 'more', lastLogLine: '' })
    const last = await driver.settle(first.delivery, 'c', success(), 1)
    expect(last).toMatchObject({ rowLeft: 'failed', runEnd: 'failed' })
    expect(last.status === 'settled' && last.lastLogLine).toContain('of b')
  })

  test('is told again by a claim under the same lease when its answer was lost', async () => {
    const driver = new Driver(redis(), [node('a'), node('b', ['a'])])
    const first = await driver.openGranted()
    const { grants } = await first.settle('a', success(), going())
    const again = await first.settle('a', success(), going())
    expect(again).toMatchObject({ rowLeft: 'more', grants: [] })
    expect(granted(await driver.claim(first.delivery)).grants).toEqual(grants)
  })
})

describeWithRedis('a company', () => {
  const leaves = ['b', 'c', 'd'].map((key) => node(key, ['a']))

  /** b, c and d in ticket 1. */
  async function company(options = {}): Promise<Driver> {
    const driver = new Driver(redis(), [node('a'), ...leaves], options)
    const first = await driver.openGranted()
    const answer = await first.settle('a', success(), { place: -1, grain: 3, slots: 0 })
    expect(answer.toAdd).toMatchObject([{ ticket: 1, indices: [1, 2, 3] }])
    return driver
  }

  test('is granted as far as there are slots, with the values of all', async () => {
    const driver = await company()
    const { grants, values, rowLeft } = granted(await driver.claim(await driver.deliver(1), 2))
    expect(grants.map(({ index }) => index)).toEqual([1, 2])
    expect(values).toMatchObject([{ index: 0, state: 'S' }])
    expect(rowLeft).toBe('more')
  })

  test('dissolves when its worker is lost: what ran goes alone, what did not is not charged', async () => {
    const driver = await company()
    await driver.claim(await driver.deliver(1), 2)
    const next = granted(await driver.claim(await driver.deliver(1, { redelivered: true }), 1))
    expect(next.grants).toMatchObject([{ index: 3, attempt: 1, crashes: 0 }])
    expect(tickets(next)).toEqual([2, 3])
    const alone = await driver.claimGranted(2)
    expect(alone.answer.grants).toMatchObject([{ index: 1, attempt: 2, crashes: 1 }])
  })

  test('of roots is opened in one row', async () => {
    const driver = new Driver(redis(), [node('a'), node('b'), node('c')])
    const { answer } = await driver.openGranted({ free: 1, grain: 2 })
    expect(answer.grants).toMatchObject([{ index: 0 }])
    expect(answer.toAdd).toMatchObject([{ ticket: 1, indices: [2] }])
  })
})

describeWithRedis('a node that was lost twice', () => {
  test('runs only where its delivery may run such a node', async () => {
    const driver = new Driver(redis(), chain(1))
    await driver.openGranted()
    await driver.openGranted({ redelivered: true })
    const delivery = await driver.deliver(0, { redelivered: true })
    const refused = granted(await driver.claim(delivery, 1, false))
    expect(refused).toMatchObject({ grants: [], earlyMs: 0, rowLeft: 'more' })
    const later = granted(await driver.claim(delivery, 1, true))
    expect(later.grants).toMatchObject([{ attempt: 3, crashes: 2 }])
  })
})

describeWithRedis('limits and places of a run', () => {
  test('take a crash limit from the enqueue before the worker’s', async () => {
    const driver = new Driver(redis(), chain(1), { maxCrashes: 5, maxCrashesOf: { k0: 0 } })
    await driver.openGranted()
    const answer = await driver.claim(await driver.deliver(0, { redelivered: true }))
    expect(answer.status).toBe('ended')
  })

  test('tell every delivery where the flow job was', async () => {
    const place = { queue: 'a|b@c', priority: 4 }
    const driver = new Driver(redis(), chain(2), { place })
    const first = await driver.openGranted()
    expect(first.answer.place).toEqual(place)
    await first.settle('k0')
    expect((await driver.claimGranted(1)).answer.place).toEqual(place)
  })
})
