import { expect, test } from 'vitest'
import { describeWithRedis } from '../setup/namespace.ts'
import { Driver, granted, tickets, useRedis } from './driver.ts'
import { node } from './graphs.ts'

const redis = useRedis()

describeWithRedis('open', () => {
  test('creates the run and grants its root', async () => {
    const driver = new Driver(redis(), [node('a'), node('b', ['a'])])
    const { answer } = await driver.openGranted()
    expect(answer).toMatchObject({
      grants: [{ index: 0, attempt: 1, retriesUsed: 0, crashes: 0, fencingToken: 1 }],
      earlyMs: 0,
      toAdd: [],
      rowLeft: 'more',
      graph: driver.graph.hash,
      input: '{"topic":"x"}',
      values: [],
    })
    expect(await driver.states()).toEqual({ a: 'running', b: 'pending' })
    const run = await driver.read()
    expect(run).toMatchObject({ flow: 'test-flow', state: 'running', endedAt: null, refusal: null })
    expect(run.openedAt).toBe(answer.openedAt)
    expect(Math.abs(Date.now() - run.openedAt)).toBeLessThan(5_000)
    expect(await redis().zscore(driver.keys.live, driver.runId)).toBe(String(run.openedAt))
  })

  test('gives the same grant again when the same delivery asks twice, and changes nothing', async () => {
    const driver = new Driver(redis(), [node('a'), node('b'), node('c')])
    const delivery = await driver.deliver(0)
    const first = await driver.open(delivery)
    const before = await driver.dump()
    expect(await driver.open(delivery)).toEqual(first)
    expect(await driver.dump()).toEqual(before)
  })

  test('closes the attempt as a crash and grants the next when the job is redelivered', async () => {
    const driver = new Driver(redis(), [node('a')])
    await driver.openGranted()
    const again = await driver.openGranted({ redelivered: true })
    expect(again.grant('a')).toMatchObject({
      attempt: 2,
      crashes: 1,
      retriesUsed: 0,
      fencingToken: 2,
    })
    const { log } = await driver.node('a')
    expect(log).toMatchObject([{ attempt: 1, kind: 'crash', decision: { rule: 'crash' } }])
  })

  test('writes nothing when the job ran before and the run is unknown', async () => {
    const driver = new Driver(redis(), [node('a')])
    const delivery = await driver.deliver(0)
    const before = await driver.dump()
    expect(await driver.open(delivery, { fresh: false })).toEqual({
      status: 'refused',
      reason: 'run_expired',
    })
    expect(await driver.dump()).toEqual(before)
  })

  test('opens a known run for a job that ran before', async () => {
    const driver = new Driver(redis(), [node('a')])
    await driver.openGranted()
    const delivery = await driver.deliver(0, { redelivered: true })
    expect(granted(await driver.open(delivery, { fresh: false })).grants).toHaveLength(1)
  })

  test('stores a graph that Redis does not know, with an expiry', async () => {
    const driver = new Driver(redis(), [node('a')])
    await driver.openGranted()
    const key = driver.keys.graph(driver.graph.hash)
    expect(await redis().hget(key, 'json')).toBe(driver.graph.json)
    expect(await redis().pttl(key)).toBeGreaterThan(89 * 86_400_000)
  })

  test('refreshes the expiry of a graph that Redis knows', async () => {
    const driver = new Driver(redis(), [node('a')])
    const key = driver.keys.graph(driver.graph.hash)
    await redis().hset(key, ...driver.graph.fields)
    await redis().pexpire(key, 1_000_000)
    await driver.openGranted()
    expect(await redis().pttl(key)).toBeGreaterThan(89 * 86_400_000)
  })

  test('grants the first of several roots and owes tickets for the others', async () => {
    const driver = new Driver(redis(), [node('a'), node('b'), node('c')])
    const { keys, answer } = await driver.openGranted()
    expect(keys).toEqual(['a'])
    expect(answer.toAdd).toEqual([
      { ticket: 1, indices: [1], delayMs: 0, place: null },
      { ticket: 2, indices: [2], delayMs: 0, place: null },
    ])
    expect(await driver.states()).toEqual({ a: 'running', b: 'ready', c: 'ready' })
    expect((await driver.claimGranted(2)).keys).toEqual(['c'])
    expect((await driver.claimGranted(1)).keys).toEqual(['b'])
  })

  test('tells a redelivery what the first delivery owed', async () => {
    const driver = new Driver(redis(), [node('a'), node('b')])
    await driver.openGranted()
    const { answer } = await driver.openGranted({ redelivered: true })
    expect(tickets(answer)).toEqual([1])
  })

  test('grants the first root that may stay when earlier ones may not', async () => {
    const driver = new Driver(redis(), [node('a'), node('b')], { away: ['a'] })
    const { keys, answer } = await driver.openGranted()
    expect(keys).toEqual(['b'])
    expect(answer.toAdd).toMatchObject([{ ticket: 1, indices: [0] }])
  })

  test('gives every root a ticket when none may stay, and the flow job may end', async () => {
    const driver = new Driver(redis(), [node('a'), node('b')], { away: ['a', 'b'] })
    const delivery = await driver.deliver(0)
    const first = await driver.open(delivery)
    expect(first).toMatchObject({ status: 'nothing', toAdd: [{ ticket: 1 }, { ticket: 2 }] })
    const before = await driver.dump()
    expect(await driver.open(delivery)).toEqual(first)
    expect(await driver.dump()).toEqual(before)
    await driver.finish([1, 2])
    expect((await driver.read()).state).toBe('succeeded')
  })

  test('makes a root with a delay wait in a ticket of its own', async () => {
    const driver = new Driver(redis(), [node('a', [], { delayMs: 60_000 })])
    const answer = await driver.open(await driver.deliver(0))
    expect(answer).toMatchObject({ status: 'nothing', toAdd: [{ ticket: 1, delayMs: 60_000 }] })
    const { state, waitingFor, dueAt } = await driver.node('a')
    expect({ state, waitingFor }).toEqual({ state: 'waiting', waitingFor: 'delay' })
    expect(dueAt).toBeGreaterThanOrEqual((await driver.read()).openedAt + 60_000)
    expect((await driver.read()).state).toBe('waiting')
  })

  test.each([
    ['the lock is held by another token', 'somebody-else'],
    ['the lock is gone', null],
  ])('is refused and writes nothing when %s', async (_name, holder) => {
    const driver = new Driver(redis(), [node('a')])
    const delivery = await driver.deliver(0)
    if (holder === null) await redis().del(`${delivery.job}:lock`)
    else await redis().set(`${delivery.job}:lock`, holder)
    const before = await driver.dump()
    expect(await driver.open(delivery)).toEqual({ status: 'refused', reason: 'lease' })
    expect(await driver.dump()).toEqual(before)
  })

  test('opens a run that was refused before, when its job was retried', async () => {
    const driver = new Driver(redis(), [node('a'), node('b', ['a'])])
    const delivery = await driver.deliver(0)
    const reason = { reason: 'invalid_input', error: { name: 'E', names: ['E'], message: 'm' } }
    await driver.coordinator.refuse(delivery, {
      reason: JSON.stringify(reason),
      flow: 'test-flow',
      job: '',
    })
    const retried = await driver.deliver(0, { retriedByHand: true })
    expect(granted(await driver.open(retried, { fresh: false })).grants).toHaveLength(1)
    expect(await driver.read()).toMatchObject({ state: 'running', refusal: null, endedAt: null })
    expect(await redis().pttl(driver.keys.run(driver.runId))).toBe(-1)
    expect(await redis().zscore(driver.keys.live, driver.runId)).not.toBeNull()
  })

  test('keeps any input byte for byte', async () => {
    const input = JSON.stringify({
      text: '%d %s |~+!:;=\n\u2028 ünï 🦉 \\ "',
      big: 'x'.repeat(1e6),
    })
    const driver = new Driver(redis(), [node('a')], { input })
    expect((await driver.openGranted()).answer.input).toBe(input)
  })
})
