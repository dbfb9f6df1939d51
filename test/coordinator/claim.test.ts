import { describe, expect, test } from 'vitest'
import { describeWithRedis } from '../setup/namespace.ts'
import {
  Driver,
  failure,
  granted,
  noHandler,
  retryIn,
  success,
  TAKEN_OVER,
  tickets,
  useRedis,
} from './driver.ts'
import { chain, gate, join, node, settledOf } from './graphs.ts'

const redis = useRedis()

/** a, then b and c beside each other; b goes on in ticket 1, c in ticket 2. */
async function forked(options = {}): Promise<Driver> {
  const driver = new Driver(redis(), [node('a'), node('b', ['a']), node('c', ['a'])], options)
  const root = await driver.openGranted()
  expect(tickets(await root.settle('a', success({ from: 'a' })))).toEqual([1, 2])
  return driver
}

describeWithRedis('claim', () => {
  test('grants the node of an owed ticket, which is owed no more', async () => {
    const driver = await forked()
    const { keys } = await driver.claimGranted(1)
    expect(keys).toEqual(['b'])
    const flowJob = await driver.claim(await driver.deliver(0, { redelivered: true }))
    expect(flowJob).toMatchObject({ status: 'nothing', toAdd: [{ ticket: 2, indices: [2] }] })
  })

  test('gives the same grants again under the same lease, and changes nothing', async () => {
    const driver = await forked()
    const delivery = await driver.deliver(1)
    const first = await driver.claim(delivery)
    const before = await driver.dump()
    expect(await driver.claim(delivery)).toEqual(first)
    expect(await driver.dump()).toEqual(before)
  })

  test('gives the same fencing token again although others were granted in between', async () => {
    const driver = await forked()
    const delivery = await driver.deliver(1)
    const first = granted(await driver.claim(delivery))
    await driver.claimGranted(2)
    expect(granted(await driver.claim(delivery)).grants).toEqual(first.grants)
  })

  test('has nothing to grant for a ticket without a row, and tells what it owes', async () => {
    const driver = await forked()
    expect(await driver.claim(await driver.deliver(0))).toMatchObject({
      status: 'nothing',
      toAdd: [
        { ticket: 1, indices: [1], delayMs: 0 },
        { ticket: 2, indices: [2], delayMs: 0 },
      ],
    })
    expect(await driver.claim(await driver.deliver(77))).toEqual({ status: 'nothing', toAdd: [] })
  })

  test('is refused for a run that Redis does not know, and writes nothing', async () => {
    const driver = new Driver(redis(), [node('a')])
    const delivery = await driver.deliver(0)
    const before = await driver.dump()
    expect(await driver.claim(delivery)).toEqual({ status: 'refused', reason: 'no_run' })
    expect(await driver.dump()).toEqual(before)
  })

  test('is refused and writes nothing when the lock is held by another token', async () => {
    const driver = await forked()
    const delivery = await driver.deliver(1)
    await driver.deliver(1)
    const before = await driver.dump()
    expect(await driver.claim(delivery)).toEqual({ status: 'refused', reason: 'lease' })
    expect(await driver.dump()).toEqual(before)
  })

  test('comes early to a retry that is not due, with the time that is left', async () => {
    const driver = new Driver(redis(), [node('a')])
    const first = await driver.openGranted()
    await first.settle('a', retryIn(60_000))
    const early = await driver.claimGranted(0)
    expect(early.answer).toMatchObject({ grants: [], values: [], rowLeft: 'more' })
    expect(early.answer.earlyMs).toBeGreaterThan(59_000)
    expect(early.answer.earlyMs).toBeLessThanOrEqual(60_001)
    expect(await driver.node('a')).toMatchObject({ state: 'retrying', attempts: 1 })
  })

  test('grants a retry that is due, never before its time by the clock of Redis', async () => {
    const driver = new Driver(redis(), [node('a')])
    const first = await driver.openGranted()
    await first.settle('a', retryIn(30))
    const { dueAt } = await driver.node('a')
    for (;;) {
      const answer = granted(await driver.claim(await driver.deliver(0)))
      const [grant] = answer.grants
      if (grant) {
        expect(grant).toMatchObject({ attempt: 2, retriesUsed: 1, crashes: 0, fencingToken: 2 })
        expect(grant.startedAt).toBeGreaterThanOrEqual(dueAt ?? Infinity)
        return
      }
      expect(answer.earlyMs).toBeGreaterThan(0)
      await new Promise((resolve) => setTimeout(resolve, answer.earlyMs))
    }
  })

  test('leaves a due node ready when no slot is free', async () => {
    const driver = await forked()
    const delivery = await driver.deliver(1)
    expect(granted(await driver.claim(delivery, 0))).toMatchObject({ grants: [], rowLeft: 'more' })
    expect((await driver.states()).b).toBe('ready')
    expect((await driver.claimGranted(1)).keys).toEqual(['b'])
  })

  test('never numbers two attempts alike over crashes, retries and grants given back', async () => {
    const driver = new Driver(redis(), [node('a')], { maxCrashes: 10 })
    const opened = await driver.openGranted()
    expect(opened.grant('a').attempt).toBe(1)
    const crashed = await driver.claimGranted(0, { redelivered: true })
    expect(crashed.grant('a').attempt).toBe(2)
    await crashed.settle('a', retryIn(0))
    const again = await driver.claimGranted(0)
    expect(again.grant('a')).toMatchObject({ attempt: 3, retriesUsed: 1, crashes: 1 })
  })
})

describeWithRedis('claim of a lost attempt', () => {
  test('closes it, charges its crash ledger and grants the next', async () => {
    const driver = await forked()
    const lost = await driver.claimGranted(1)
    const next = await driver.claimGranted(1, { redelivered: true })
    expect(next.grant('b')).toMatchObject({ attempt: 2, crashes: 1, retriesUsed: 0 })
    const { log, crashes } = await driver.node('b')
    expect(crashes).toBe(1)
    expect(log).toMatchObject([
      {
        attempt: 1,
        kind: 'crash',
        startedAt: lost.grant('b').startedAt,
        error: { name: 'WorkerLost' },
        decision: { action: 'retry', rule: 'crash', retryNumber: 1, maxRetries: 3 },
      },
    ])
    expect(log[0]?.endedAt).toBeGreaterThanOrEqual(lost.grant('b').startedAt)
  })

  test('supersedes the settle of the lost attempt, which changes nothing', async () => {
    const driver = await forked()
    const lost = await driver.claimGranted(1)
    await driver.claimGranted(1, { redelivered: true })
    const before = await driver.dump()
    expect(await driver.settle(lost.delivery, 'b', success(), 1)).toEqual(TAKEN_OVER)
    expect(await driver.dump()).toEqual(before)
  })

  test('does not charge nodes of other tickets', async () => {
    const driver = await forked()
    await driver.claimGranted(1)
    await driver.claimGranted(2)
    await driver.claimGranted(1, { redelivered: true })
    expect((await driver.node('c')).crashes).toBe(0)
  })

  test('is not charged when the node had settled', async () => {
    const driver = await forked()
    const first = await driver.claimGranted(1)
    await first.settle('b')
    expect(await driver.claim(await driver.deliver(1, { redelivered: true }))).toEqual({
      status: 'nothing',
      toAdd: [],
    })
    expect(await driver.node('b')).toMatchObject({ state: 'succeeded', crashes: 0, log: [] })
  })

  test('fails the node when it had more crashes than allowed, and ends the run', async () => {
    const driver = new Driver(redis(), chain(3), { maxCrashes: 1 })
    await driver.openGranted()
    await driver.openGranted({ redelivered: true })
    const last = await driver.claim(await driver.deliver(0, { redelivered: true }))
    expect(last).toMatchObject({ status: 'ended', toAdd: [] })
    expect(last.status === 'ended' && last.lastLogLine).toContain('crash_loop')
    const run = await driver.read()
    expect(run.state).toBe('failed')
    expect(run.endedAt).not.toBeNull()
    expect(run.nodes).toMatchObject([
      { state: 'failed', attempts: 2, crashes: 2, causedBy: null },
      { state: 'upstream_failed', attempts: 0, causedBy: 'k0' },
      { state: 'upstream_failed', attempts: 0, causedBy: 'k0' },
    ])
    expect(run.nodes[0]?.log).toMatchObject([
      { attempt: 1, decision: { action: 'retry' } },
      { attempt: 2, decision: { action: 'stop', reason: 'crash_loop' } },
    ])
  })

  test('allows no crash when the limit is 0', async () => {
    const driver = new Driver(redis(), [node('a')], { maxCrashes: 0 })
    await driver.openGranted()
    expect((await driver.claim(await driver.deliver(0, { redelivered: true }))).status).toBe(
      'ended',
    )
    expect((await driver.read()).state).toBe('failed')
  })

  test('starts a handler of failures when it was the last crash', async () => {
    const nodes = [node('a'), node('alert', ['a'], { trigger: 'any_failed' })]
    const driver = new Driver(redis(), nodes, { maxCrashes: 0 })
    await driver.openGranted()
    const answer = await driver.claim(await driver.deliver(0, { redelivered: true }))
    expect(answer).toMatchObject({ status: 'ended', toAdd: [{ ticket: 1, indices: [1] }] })
    const alert = await driver.claimGranted(1)
    expect(await alert.settle('alert')).toMatchObject({ runEnd: 'failed' })
  })

  test('is told apart from a grant that was given back', async () => {
    const driver = new Driver(redis(), [node('a')])
    const first = await driver.openGranted()
    await first.settle('a', noHandler(60_000))
    await driver.claimGranted(0, { redelivered: true })
    expect(await driver.node('a')).toMatchObject({ crashes: 0, log: [] })
  })
})

describeWithRedis('the values of a claim', () => {
  test('are the results and the input that the node needs', async () => {
    const driver = new Driver(redis(), [node('a'), node('b', ['a']), node('c', ['a', 'b'])])
    const a = await driver.openGranted()
    await a.settle('a', success({ n: 1 }))
    const b = await driver.claimGranted(1)
    expect(b.answer).toMatchObject({
      input: '',
      values: [{ index: 0, state: 'S', payload: '{"n":1}' }],
    })
    await b.settle('b', success([2]))
    const c = await driver.claimGranted(2)
    expect(c.answer.values).toEqual([
      { index: 0, state: 'S', payload: '{"n":1}' },
      { index: 1, state: 'S', payload: '[2]' },
    ])
  })

  test.each([
    ['newlines, pipes and separators', 'a\nb|c;d,e=f.g:h~+!'],
    ['percent signs', '%d %s %1 %% (%a+)'],
    ['unicode', 'ünï\u2028 🦉 \u0000 \ud800'],
    ['an empty string', ''],
  ])('survive byte for byte: %s', async (_name, value) => {
    const driver = new Driver(redis(), chain(2))
    const a = await driver.openGranted()
    await a.settle('k0', success(value))
    const { answer } = await driver.claimGranted(1)
    expect(answer.values).toEqual([{ index: 0, state: 'S', payload: JSON.stringify(value) }])
  })

  test('leave out what is beyond 64 KB, which is read apart', async () => {
    const nodes = [node('a'), node('b'), node('c', ['a', 'b'])]
    const driver = new Driver(redis(), nodes)
    const big = 'x'.repeat(1_000_000)
    const a = await driver.openGranted()
    await a.settle('a', success('small'))
    const b = await driver.claimGranted(1)
    await b.settle('b', success(big))
    const { answer } = await driver.claimGranted(2)
    expect(answer.values).toEqual([
      { index: 0, state: 'S', payload: '"small"' },
      { index: 1, state: 'S', payload: null },
    ])
    const read = await driver.coordinator.readResults(driver.runId, [1])
    expect(read.get(1)).toBe(JSON.stringify(big))
  })

  test('hold exactly 64 KB and not a byte more', async () => {
    const driver = new Driver(redis(), [node('a'), node('b'), node('c', ['a', 'b'])])
    const a = await driver.openGranted()
    await a.settle('a', success('x'.repeat(65_536 - 3)))
    const b = await driver.claimGranted(1)
    await b.settle('b', { kind: 'succeeded', result: '1' })
    const delivery = await driver.deliver(2)
    expect(
      granted(await driver.claim(delivery)).values.map(({ payload }) => payload?.length),
    ).toEqual([65_535, 1])
    await redis().hset(driver.keys.out(driver.runId), '1', '12')
    expect(
      granted(await driver.claim(delivery)).values.map(({ payload }) => payload?.length),
    ).toEqual([65_535, undefined])
  })

  test('hold the failure of a gate, of the node that caused it', async () => {
    const nodes = [
      node('a'),
      node('x', ['a']),
      gate('g', 'x'),
      node('plan', ['g']),
      join('j', 'x', 'plan'),
    ]
    const driver = new Driver(redis(), nodes)
    const a = await driver.openGranted()
    await a.settle('a', failure('the cause'))
    const { answer } = await driver.claimGranted(1)
    expect(answer.values).toMatchObject([
      { index: 1, state: 'U' },
      { index: 2, state: 'S', payload: '' },
    ])
    expect(answer.values[0]?.payload).toContain('the cause')
  })

  test('hold the last failure of a settled node', async () => {
    const driver = new Driver(redis(), [node('x'), settledOf('s', 'x'), node('y', ['s'])])
    const first = await driver.openGranted()
    await first.settle('x', retryIn(0, null, 'first'))
    const again = await driver.claimGranted(0)
    await again.settle('x', failure('last'))
    const { answer } = await driver.claimGranted(1)
    expect(answer.values.map(({ state }) => state)).toEqual(['F', 'S'])
    expect(answer.values[0]?.payload).toContain('"message":"last"')
    expect(answer.values[0]?.payload).not.toContain('first')
  })
})

describe('readResults', () => {
  test('reads more than a page', async () => {
    const driver = new Driver(redis(), [node('a')])
    const fields = Array.from({ length: 2_500 }, (_, i) => [String(i), `"v${i}"`]).flat()
    await redis().hset(driver.keys.out(driver.runId), ...fields)
    const indices = Array.from({ length: 2_501 }, (_, i) => i)
    const results = await driver.coordinator.readResults(driver.runId, indices)
    expect(results.size).toBe(2_500)
    expect(results.get(2_499)).toBe('"v2499"')
  })
})
