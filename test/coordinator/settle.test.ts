import { expect, test } from 'vitest'
import type { TicketToAdd } from '../../src/coordinator/answers.ts'
import type { Outcome } from '../../src/coordinator/moves.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import {
  Driver,
  failure,
  granted,
  interruption,
  noHandler,
  parkedFor,
  retryIn,
  type Settled,
  settledAnswer,
  skip,
  success,
  TAKEN_OVER,
  tickets,
  useRedis,
} from './driver.ts'
import { chain, node } from './graphs.ts'

const redis = useRedis()

const MINUTE = 60_000
const OUTCOMES: [string, Outcome][] = [
  ['succeeded', success({ n: 1 })],
  ['failed', failure()],
  ['retry in place', retryIn(MINUTE)],
  ['retry moved to a place', retryIn(MINUTE, { queue: 'slow', priority: 7 })],
  ['interrupted', interruption()],
  ['no_handler', noHandler(MINUTE)],
  ['no_handler that gives up', noHandler(0)],
  ['parked for a budget', parkedFor('budget', MINUTE, 0)],
  ['parked for a breaker', parkedFor('breaker', MINUTE, 0)],
]

/** a is running, b and c wait for it, alert waits for its failure. */
async function running(): Promise<{
  driver: Driver
  first: Awaited<ReturnType<Driver['openGranted']>>
}> {
  const nodes = [
    node('a'),
    node('b', ['a']),
    node('c', ['a'], { delayMs: 5_000 }),
    node('alert', ['a'], { trigger: 'any_failed' }),
  ]
  const driver = new Driver(redis(), nodes)
  return { driver, first: await driver.openGranted() }
}

describeWithRedis('settle', () => {
  test('records a success and owes tickets for what it made ready', async () => {
    const { driver, first } = await running()
    const answer = await first.settle('a', success({ n: 1 }))
    expect(answer).toMatchObject({ rowLeft: 'empty', runEnd: '', waitMs: 0, lastLogLine: '' })
    expect(answer.toAdd).toEqual([
      { ticket: 1, indices: [1], delayMs: 0, place: null },
      { ticket: 2, indices: [2], delayMs: 5_000, place: null },
    ])
    expect(await driver.states()).toEqual({
      a: 'succeeded',
      b: 'ready',
      c: 'waiting',
      alert: 'skipped',
    })
    expect(await redis().hget(driver.keys.out(driver.runId), '0')).toBe('{"n":1}')
    const { log, startedAt, endedAt } = await driver.node('a')
    expect(log).toEqual([])
    expect(startedAt).toBe(first.grant('a').startedAt)
    expect(endedAt).toBeGreaterThanOrEqual(startedAt ?? Infinity)
  })

  test('records a failure with its line, and starts what waits for it', async () => {
    const { driver, first } = await running()
    const answer = await first.settle('a', failure('it broke', 'abort_on'))
    expect(answer).toMatchObject({ rowLeft: 'failed', runEnd: '', toAdd: [{ indices: [3] }] })
    expect(answer.lastLogLine).toContain('it broke')
    expect(await driver.states()).toEqual({
      a: 'failed',
      b: 'upstream_failed',
      c: 'upstream_failed',
      alert: 'ready',
    })
    const { startedAt, endedAt } = await driver.node('a')
    expect((await driver.node('a')).log).toEqual([
      {
        attempt: 1,
        kind: 'error',
        startedAt,
        endedAt,
        error: { name: 'Error', names: ['Error'], message: 'it broke' },
        decision: { action: 'stop', reason: 'abort_on' },
      },
    ])
  })

  test('keeps a retry in its row when it stays where it is', async () => {
    const { driver, first } = await running()
    const answer = await first.settle('a', retryIn(MINUTE))
    expect(answer).toMatchObject({ rowLeft: 'delayed', toAdd: [], runEnd: '', waitMs: MINUTE })
    const a = await driver.node('a')
    expect(a).toMatchObject({ state: 'retrying', attempts: 1, retriesUsed: 1 })
    expect(a.dueAt).toBeGreaterThanOrEqual((a.log[0]?.endedAt ?? Infinity) + MINUTE)
    expect((await driver.read()).state).toBe('retrying')
  })

  test('moves a retry to a ticket of its own when its place changes, and its later ones stay there', async () => {
    const { driver, first } = await running()
    const place = { queue: 'slow', priority: 7 }
    const answer = await first.settle('a', retryIn(0, place))
    expect(answer).toMatchObject({ rowLeft: 'empty' })
    expect(answer.toAdd).toEqual([{ ticket: 1, indices: [0], delayMs: 0, place }])
    const moved = await driver.claimGranted(1)
    expect(moved.grant('a')).toMatchObject({ attempt: 2, retriesUsed: 1 })
    expect(await moved.settle('a', retryIn(MINUTE))).toMatchObject({
      rowLeft: 'delayed',
      toAdd: [],
    })
  })

  test.each(['a|b', 'a;b', 'a@b', 'a,b=c.d', 'größe%20', '1=0.0.x'])(
    'keeps the place in the queue %j until the ticket is added',
    async (queue) => {
      const { driver, first } = await running()
      const place = { queue, priority: 3 }
      const added = [{ ticket: 1, indices: [0], delayMs: MINUTE, place }]
      expect((await first.settle('a', retryIn(MINUTE, place))).toAdd).toEqual(added)
      const redelivered = await driver.claim(await driver.deliver(0, { redelivered: true }))
      expect(redelivered).toMatchObject({ toAdd: [{ ticket: 1, indices: [0], place }] })
      expect(granted(await driver.claim(await driver.deliver(1))).earlyMs).toBeGreaterThan(0)
    },
  )

  test('makes an interrupted node ready at once, and charges nothing', async () => {
    const { driver, first } = await running()
    expect(await first.settle('a', interruption())).toMatchObject({ rowLeft: 'more', waitMs: 0 })
    expect(await driver.node('a')).toMatchObject({
      state: 'ready',
      attempts: 1,
      retriesUsed: 0,
      crashes: 0,
      log: [{ attempt: 1, kind: 'interrupted' }],
    })
    expect((await driver.claimGranted(0)).grant('a')).toMatchObject({ attempt: 2, retriesUsed: 0 })
  })

  test('takes a grant back when no handler is known, and counts no attempt', async () => {
    const { driver, first } = await running()
    const answer = await first.settle('a', noHandler(MINUTE))
    expect(answer).toMatchObject({ rowLeft: 'delayed', waitMs: 1_000, toAdd: [], runEnd: '' })
    expect(await driver.node('a')).toMatchObject({
      state: 'waiting',
      waitingFor: 'no_handler',
      attempts: 0,
      log: [],
    })
  })

  test('waits longer and longer for a handler, from 1 s to 30 s and to the limit', async () => {
    const { driver, first } = await running()
    await first.settle('a', noHandler(10 * MINUTE))
    const waits: number[] = []
    for (const waitedMs of [1_000, 2_500, 20_000, 100_000, 590_000]) {
      await driver.passTime('a', waitedMs)
      const again = await driver.claimGranted(0)
      waits.push((await again.settle('a', noHandler(10 * MINUTE))).waitMs)
    }
    const expected = [1_000, 2_500, 20_000, 30_000, 10_000]
    for (const [i, wait] of waits.entries()) {
      expect(Math.abs(wait - (expected[i] ?? 0))).toBeLessThan(500)
    }
  })

  test('fails a node for which no handler came in time, and its dependants', async () => {
    const { driver, first } = await running()
    await first.settle('a', noHandler(MINUTE))
    await driver.passTime('a', MINUTE)
    const again = await driver.claimGranted(0)
    expect(await again.settle('a', noHandler(MINUTE))).toMatchObject({
      rowLeft: 'failed',
      toAdd: [{ indices: [3] }],
    })
    expect(await driver.node('a')).toMatchObject({
      state: 'failed',
      log: [{ attempt: 1, decision: { reason: 'no_handler' } }],
    })
    expect((await driver.states()).b).toBe('upstream_failed')
  })

  test('waits anew for a handler when one was found in between', async () => {
    const { driver, first } = await running()
    await first.settle('a', noHandler(MINUTE))
    await driver.passTime('a', MINUTE / 2)
    const found = await driver.claimGranted(0)
    await found.settle('a', retryIn(0))
    await driver.passTime('a', MINUTE / 2)
    const missing = await driver.claimGranted(0)
    expect(await missing.settle('a', noHandler(MINUTE / 4))).toMatchObject({ rowLeft: 'delayed' })
  })

  test.each(['budget', 'breaker'] as const)(
    'takes a grant back for a %s, until the time that it gave',
    async (waitsFor) => {
      const { driver, first } = await running()
      const answer = await first.settle('a', parkedFor(waitsFor, 70_000, 5_000))
      expect(answer).toMatchObject({ rowLeft: 'delayed', waitMs: 70_000, toAdd: [], runEnd: '' })
      const { waitingSince, dueAt, ...parked } = await driver.node('a')
      expect(parked).toMatchObject({
        state: 'waiting',
        waitingFor: waitsFor,
        attempts: 0,
        startedAt: null,
        log: [],
      })
      expect((dueAt ?? 0) - (waitingSince ?? 0)).toBe(75_000)
      const early = await driver.claim(await driver.deliver(0))
      expect(early).toMatchObject({ status: 'granted', grants: [] })
      await driver.passTime('a', 0)
      expect((await driver.claimGranted(0)).grant('a')).toMatchObject({ attempt: 1 })
    },
  )

  test('waits anew for a handler after it waited for a budget', async () => {
    const { driver, first } = await running()
    await first.settle('a', parkedFor('budget', MINUTE, 10 * MINUTE))
    await driver.passTime('a', 0)
    const missing = await driver.claimGranted(0)
    expect(await missing.settle('a', noHandler(MINUTE))).toMatchObject({ rowLeft: 'delayed' })
    expect(await driver.node('a')).toMatchObject({ waitingFor: 'no_handler' })
  })

  test('keeps the count of retries of a node that waits for a budget', async () => {
    const { driver, first } = await running()
    await first.settle('a', retryIn(0))
    await (await driver.claimGranted(0)).settle('a', parkedFor('budget', MINUTE, 0))
    expect(await driver.node('a')).toMatchObject({ attempts: 1, retriesUsed: 1 })
    await driver.passTime('a', 0)
    expect((await driver.claimGranted(0)).grant('a')).toMatchObject({ attempt: 2, retriesUsed: 1 })
  })

  test('ends the run with the last node', async () => {
    const driver = new Driver(redis(), chain(2))
    const first = await driver.openGranted()
    expect(await first.settle('k0')).toMatchObject({ runEnd: '' })
    const last = await driver.claimGranted(1)
    expect(await last.settle('k1')).toMatchObject({ rowLeft: 'empty', runEnd: 'succeeded' })
    const run = await driver.read()
    expect(run.state).toBe('succeeded')
    expect(run.endedAt).toBe(run.nodes[1]?.endedAt)
    expect(await driver.nodesLeft()).toBe(0)
    expect(await redis().zscore(driver.keys.live, driver.runId)).toBeNull()
  })

  test('ends the run as failed when its last node fails', async () => {
    const driver = new Driver(redis(), chain(1))
    const first = await driver.openGranted()
    expect(await first.settle('k0', failure())).toMatchObject({
      rowLeft: 'failed',
      runEnd: 'failed',
    })
    expect((await driver.read()).state).toBe('failed')
  })

  test('names the ticket that wrote a row as the one that owes it', async () => {
    const driver = new Driver(redis(), [node('a'), node('b'), node('c', ['a']), node('d', ['b'])])
    const root = await driver.openGranted()
    const other = await driver.claimGranted(1)
    await root.settle('a')
    await other.settle('b')
    expect(await owedOf(driver, 0)).toEqual([2])
    expect(await owedOf(driver, 1)).toEqual([3])
  })

  test('owes a delayed ticket with what is left of its delay', async () => {
    const { driver, first } = await running()
    await first.settle('a')
    await new Promise((resolve) => setTimeout(resolve, 20))
    const answer = await driver.claim(await driver.deliver(0))
    const delays = answer.status === 'nothing' ? answer.toAdd.map(({ delayMs }) => delayMs) : []
    expect(delays[0]).toBe(0)
    expect(delays[1]).toBeGreaterThan(4_000)
    expect(delays[1]).toBeLessThanOrEqual(4_981)
  })

  test.each([
    ['newlines, pipes and separators', 'a\nb|c;d,e=f.g:h~+!'],
    ['percent signs', '%d %s %1 %% (%a+)'],
    ['unicode', 'ünï\u2028 🦉 \u0000 \ud800'],
    ['a million characters', 'x%|"'.repeat(250_000)],
  ])('keeps a failure byte for byte: %s', async (_name, message) => {
    const driver = new Driver(redis(), chain(1))
    const first = await driver.openGranted()
    await first.settle('k0', retryIn(0, null, message))
    const again = await driver.claimGranted(0)
    await again.settle('k0', retryIn(MINUTE, null, message))
    const log = await driver.coordinator.readNodeLog(driver.runId, 0, first.answer.openedAt)
    expect(log.map(({ attempt, error }) => [attempt, error?.message === message])).toEqual([
      [1, true],
      [2, true],
    ])
  })

  test('reads the last of several long lines in no time', async () => {
    const driver = new Driver(redis(), chain(1))
    let active = await driver.openGranted()
    const message = 'x'.repeat(8_000)
    for (let i = 0; i < 4; i++) {
      await active.settle('k0', retryIn(0, null, message))
      active = await driver.claimGranted(0)
    }
    const started = performance.now()
    expect((await active.settle('k0', failure('last'))).lastLogLine).toContain('last')
    expect(performance.now() - started).toBeLessThan(100)
  })

  test('keeps times in whole ms however long the delay', async () => {
    const driver = new Driver(redis(), chain(1))
    const first = await driver.openGranted()
    const century = 100 * 365 * 86_400_000
    await first.settle('k0', retryIn(century))
    const { dueAt } = await driver.node('k0')
    expect(dueAt).toBeGreaterThanOrEqual(first.answer.openedAt + century)
    const { earlyMs } = granted(await driver.claim(await driver.deliver(0)))
    expect(earlyMs).toBeGreaterThan(century - MINUTE)
  })
})

describeWithRedis('a repeated settle', () => {
  test.each(OUTCOMES)('gives the stored answer and changes nothing: %s', async (_name, outcome) => {
    const { driver, first } = await running()
    const answer = await first.settle('a', outcome)
    const before = await driver.dump()
    const again = await driver.settle(first.delivery, 'a', outcome, 1)
    expect(comparable(settledAnswer(again))).toEqual(comparable(answer))
    expect(await driver.dump()).toEqual(before)
  })

  test.each<[string, Outcome]>([
    ['succeeded', success()],
    ['failed', failure()],
  ])('says again how the run ended: %s', async (state, outcome) => {
    const driver = new Driver(redis(), chain(1))
    const first = await driver.openGranted()
    expect(await first.settle('k0', outcome)).toMatchObject({ runEnd: state })
    const before = await driver.dump()
    expect(await first.settle('k0', outcome)).toMatchObject({ runEnd: state })
    expect(await driver.dump()).toEqual(before)
  })

  test.each(OUTCOMES)('never changes what was recorded first: %s', async (_name, outcome) => {
    const { driver, first } = await running()
    await first.settle('a', outcome)
    const before = await driver.dump()
    for (const [, other] of OUTCOMES) await driver.settle(first.delivery, 'a', other, 1)
    expect(await driver.dump()).toEqual(before)
  })
})

describeWithRedis('a settle that comes too late or too early', () => {
  test.each(OUTCOMES)('is superseded by another lease: %s', async (_name, outcome) => {
    const { driver, first } = await running()
    await driver.openGranted({ redelivered: true })
    const before = await driver.dump()
    expect(await driver.settle(first.delivery, 'a', outcome, 1)).toEqual(TAKEN_OVER)
    expect(await driver.settle(first.delivery, 'a', outcome, 2)).toEqual(TAKEN_OVER)
    expect(await driver.dump()).toEqual(before)
  })

  test.each(OUTCOMES)(
    'is superseded by a later attempt of its lease: %s',
    async (_name, outcome) => {
      const { driver, first } = await running()
      await first.settle('a', retryIn(0))
      const later = await driver.claimDue(first.delivery)
      expect(later.grants).toMatchObject([{ attempt: 2 }])
      const before = await driver.dump()
      expect(await driver.settle(first.delivery, 'a', outcome, 1)).toEqual(TAKEN_OVER)
      expect(await driver.dump()).toEqual(before)
    },
  )

  test.each(OUTCOMES)(
    'is behind when the run has not seen the attempt: %s',
    async (_name, outcome) => {
      const { driver, first } = await running()
      const before = await driver.dump()
      const behind = { status: 'refused', reason: 'behind' }
      expect(await driver.settle(first.delivery, 'a', outcome, 2)).toEqual(behind)
      expect(await driver.settle(first.delivery, 'b', outcome, 1)).toEqual(behind)
      expect(await driver.dump()).toEqual(before)
    },
  )

  test.each(OUTCOMES)('finds no run: %s', async (_name, outcome) => {
    const { driver, first } = await running()
    await redis().del(driver.keys.run(driver.runId))
    const before = await driver.dump()
    const answer = await driver.settle(first.delivery, 'a', outcome, 1)
    expect(answer).toEqual({ status: 'refused', reason: 'no_run' })
    expect(await driver.dump()).toEqual(before)
  })

  test('is superseded when the node went on in another ticket', async () => {
    const { driver, first } = await running()
    await first.settle('a', retryIn(0, { queue: 'slow', priority: 0 }))
    await driver.claimGranted(1)
    const before = await driver.dump()
    expect(await driver.settle(first.delivery, 'a', success(), 1)).toEqual(TAKEN_OVER)
    expect(await driver.dump()).toEqual(before)
  })
})

async function owedOf(driver: Driver, ticket: number): Promise<number[]> {
  const answer = await driver.claim(await driver.deliver(ticket, { redelivered: true }))
  return answer.status === 'refused' ? [] : tickets(answer)
}

/** Delays shrink while time passes. */
function comparable({ waitMs, toAdd, ...rest }: Settled) {
  const roughly = (ms: number) => Math.ceil(ms / MINUTE)
  const rough = (ticket: TicketToAdd) => ({ ...ticket, delayMs: roughly(ticket.delayMs) })
  return { ...rest, waitMs: roughly(waitMs), toAdd: toAdd.map(rough) }
}

describeWithRedis('a settle that skips', () => {
  test.each([
    ['a handler that threw Skip', skip(), 'thrown', 1],
    ['a condition that is not true', { kind: 'condition_false' } as const, 'condition', 0],
  ])('by %s gives the same answer again', async (_name, outcome, skipReason, attempts) => {
    const driver = new Driver(redis(), chain(2))
    const first = await driver.openGranted()
    const answer = await first.settle('k0', outcome)
    expect(answer).toMatchObject({ rowLeft: 'empty', toAdd: [], runEnd: 'succeeded' })
    const before = await driver.dump()
    expect(await first.settle('k0', outcome)).toEqual(answer)
    expect(await driver.dump()).toEqual(before)
    expect(await driver.node('k0')).toMatchObject({ state: 'skipped', skipReason, attempts })
    expect(await driver.node('k1')).toMatchObject({ skipReason: 'upstream_skipped' })
  })
})
