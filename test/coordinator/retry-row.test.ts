import { expect, test } from 'vitest'
import { describeWithRedis } from '../setup/namespace.ts'
import {
  type Active,
  Driver,
  failure,
  granted,
  noHandler,
  retryIn,
  tickets,
  useRedis,
} from './driver.ts'
import { chain, gate, join, type NodeSpec, node } from './graphs.ts'

const redis = useRedis()

const REFUSED = { status: 'refused', reason: 'descendant_started' } as const

/** A run that has failed: `failing` failed, all else that could succeeded. */
async function failed(nodes: readonly NodeSpec[], ...failing: string[]): Promise<Driver> {
  const driver = new Driver(redis(), nodes)
  await driver.execute(Object.fromEntries(failing.map((key) => [key, failure(key)])))
  expect((await driver.read()).state).toBe('failed')
  return driver
}

/** Claims a ticket's job again after somebody pressed Retry on it. */
function pressRetry(driver: Driver, ticket: number): Promise<Active> {
  return driver.claimGranted(ticket, { retriedByHand: true })
}

describeWithRedis('a manual retry', () => {
  test('grants the failed node again, with the next number and a fresh budget', async () => {
    const driver = new Driver(redis(), chain(1), { maxCrashes: 1 })
    await driver.openGranted()
    const second = await driver.openGranted({ redelivered: true })
    await second.settle('k0', retryIn(0))
    await (await driver.claimGranted(0)).settle('k0', failure())
    expect(await driver.node('k0')).toMatchObject({ attempts: 3, retriesUsed: 1, crashes: 1 })
    const again = await pressRetry(driver, 0)
    expect(again.grant('k0')).toMatchObject({
      attempt: 4,
      retriesUsed: 0,
      crashes: 0,
      fencingToken: 4,
    })
    const { log } = await driver.node('k0')
    expect(log.map(({ attempt, kind }) => [attempt, kind])).toEqual([
      [1, 'crash'],
      [2, 'error'],
      [3, 'error'],
      [0, 'retried'],
    ])
  })

  test('reopens the run: its end, its expiry, and its place among the live ones', async () => {
    const driver = await failed(chain(2), 'k1')
    const { runId, keys } = driver
    expect(await redis().pttl(keys.run(runId))).toBeGreaterThan(0)
    const again = await pressRetry(driver, 1)
    expect(await driver.read()).toMatchObject({ state: 'running', endedAt: null })
    expect(await redis().zscore(keys.live, runId)).not.toBeNull()
    for (const key of [keys.run(runId), keys.out(runId), keys.log(runId)]) {
      expect(await redis().pttl(key)).toBe(-1)
    }
    expect(await again.settle('k1')).toMatchObject({ rowLeft: 'empty', runEnd: 'succeeded' })
    expect(await redis().pttl(keys.run(runId))).toBeGreaterThan(0)
    expect(await redis().zscore(keys.live, runId)).toBeNull()
    expect(await driver.leftovers()).toEqual([])
  })

  test('returns descendants that had not started to pending, and they run afterwards', async () => {
    const driver = await failed(chain(4), 'k1')
    const again = await pressRetry(driver, 1)
    expect(await driver.states()).toEqual({
      k0: 'succeeded',
      k1: 'running',
      k2: 'pending',
      k3: 'pending',
    })
    expect(await driver.field('k')).toMatch(/^3\.0\./)
    await driver.finish(tickets(await again.settle('k1')))
    expect((await driver.read()).state).toBe('succeeded')
  })

  test('gives the same grant again under the same lease', async () => {
    const driver = await failed(chain(3), 'k0')
    const delivery = await driver.deliver(0, { retriedByHand: true })
    const first = await driver.claim(delivery)
    const before = await driver.dump()
    expect(await driver.claim(delivery)).toEqual(first)
    expect(await driver.dump()).toEqual(before)
  })

  test('counts the upstreams of a join that stay final', async () => {
    const nodes = [
      node('a'),
      node('b'),
      node('c'),
      node('join', ['a', 'b', 'c']),
      node('end', ['join']),
    ]
    const driver = await failed(nodes, 'b')
    const again = await pressRetry(driver, 1)
    expect(await again.settle('b')).toMatchObject({ toAdd: [{ indices: [3] }] })
    await driver.finish([3])
    expect((await driver.read()).state).toBe('succeeded')
    expect(await driver.leftovers()).toEqual([])
  })

  test('works one after the other when several nodes failed', async () => {
    const nodes = [node('a'), node('b'), node('join', ['a', 'b'])]
    const driver = await failed(nodes, 'a', 'b')
    const a = await pressRetry(driver, 0)
    expect(await a.settle('a')).toMatchObject({ runEnd: 'failed' })
    expect(await driver.node('join')).toMatchObject({ state: 'upstream_failed', causedBy: 'b' })
    const b = await pressRetry(driver, 1)
    await driver.finish(tickets(await b.settle('b')))
    expect((await driver.read()).state).toBe('succeeded')
    expect(await driver.leftovers()).toEqual([])
  })

  test('works while others still run', async () => {
    const nodes = [node('a'), node('b'), node('join', ['a', 'b'])]
    const driver = new Driver(redis(), nodes)
    await (await driver.openGranted()).settle('a', failure())
    const b = await driver.claimGranted(1)
    const a = await pressRetry(driver, 0)
    expect((await b.settle('b')).toAdd).toEqual([])
    await driver.finish(tickets(await a.settle('a')))
    expect((await driver.read()).state).toBe('succeeded')
    expect(await driver.leftovers()).toEqual([])
  })

  test('can be made again when the node fails again', async () => {
    const driver = await failed(chain(2), 'k0')
    for (const attempt of [2, 3]) {
      const again = await pressRetry(driver, 0)
      expect(again.grant('k0').attempt).toBe(attempt)
      expect(await again.settle('k0', failure())).toMatchObject({
        rowLeft: 'failed',
        runEnd: 'failed',
      })
    }
  })

  test('is refused and changes nothing when a descendant has started', async () => {
    const nodes = [node('a'), node('alert', ['a'], { trigger: 'any_failed' })]
    const driver = await failed(nodes, 'a')
    const before = await driver.dump()
    const delivery = await driver.deliver(0, { retriedByHand: true })
    expect(await driver.claim(delivery)).toEqual(REFUSED)
    expect(await driver.dump()).toEqual({
      ...before,
      [delivery.job]: expect.anything(),
      [`${delivery.job}:lock`]: expect.anything(),
    })
  })

  test.each([
    ['is ready', {}],
    ['waits for its delay', { delayMs: 60_000 }],
  ])('is refused while a descendant %s', async (_name, options) => {
    const nodes = [node('a'), node('alert', ['a'], { trigger: 'any_failed', ...options })]
    const driver = new Driver(redis(), nodes)
    await (await driver.openGranted()).settle('a', failure())
    const delivery = await driver.deliver(0, { retriedByHand: true })
    expect(await driver.claim(delivery)).toEqual(REFUSED)
  })

  test('lets a node be judged again whose condition was not true', async () => {
    const nodes = [
      node('a'),
      node('b'),
      node('alarm', ['a', 'b'], { trigger: 'any_failed_fast' }),
      node('end', ['b']),
    ]
    const unmet = { kind: 'condition_false' } as const
    const driver = new Driver(redis(), nodes)
    await driver.execute({ a: failure(), b: failure(), alarm: unmet })
    expect(await driver.node('alarm')).toMatchObject({ skipReason: 'condition', attempts: 0 })
    const again = await pressRetry(driver, 1)
    expect(await driver.states()).toMatchObject({ a: 'failed', b: 'running', alarm: 'pending' })
    // The failure of a decided it before, and still does.
    await driver.finish(tickets(await again.settle('b')))
    expect(await driver.node('alarm')).toMatchObject({ state: 'succeeded', attempts: 1 })
    expect(await driver.leftovers()).toEqual([])
  })

  test('is refused when a plan B made up for the failure', async () => {
    const nodes = [node('x'), gate('gate', 'x'), node('plan', ['gate']), join('join', 'x', 'plan')]
    const driver = new Driver(redis(), nodes)
    await driver.execute({ x: failure() })
    expect(await driver.claim(await driver.deliver(0, { retriedByHand: true }))).toEqual(REFUSED)
    expect((await driver.read()).state).toBe('succeeded')
  })

  test('skips a clean-up that could not start before', async () => {
    const nodes = [node('a'), node('b'), node('clean-up', ['a', 'b'], { trigger: 'any_failed' })]
    const driver = new Driver(redis(), nodes)
    await (await driver.openGranted()).settle('a', failure())
    const again = await pressRetry(driver, 0)
    await again.settle('a')
    await driver.finish([1])
    expect(await driver.states()).toEqual({ a: 'succeeded', b: 'succeeded', 'clean-up': 'skipped' })
    expect((await driver.read()).state).toBe('succeeded')
  })

  test('is refused when a join made up for the failure without a task', async () => {
    const nodes = [
      node('p'),
      node('q'),
      join('first', 'p', 'q'),
      gate('gate', 'first'),
      join('second', 'first', 'gate'),
    ]
    const driver = new Driver(redis(), nodes)
    await driver.execute({ p: failure(), q: failure() })
    const before = await driver.read()
    expect(before.state).toBe('succeeded')
    // Had p succeeded at once, nothing would have made up for the failure of q.
    expect(await driver.claim(await driver.deliver(0, { retriedByHand: true }))).toEqual(REFUSED)
    expect((await driver.read()).nodes).toEqual(before.nodes)
  })

  test('is refused when a descendant ended in the same row', async () => {
    const nodes = [node('a'), node('alert', ['a'], { trigger: 'any_failed' })]
    const driver = new Driver(redis(), nodes)
    const first = await driver.openGranted()
    const goOn = { place: driver.graph.places[1] ?? 0, grain: 1, slots: 1 }
    const { grants } = await first.settle('a', failure(), goOn)
    expect(grants).toMatchObject([{ index: 1, attempt: 1 }])
    await driver.settle(first.delivery, 'alert', failure(), 1)
    expect((await driver.read()).state).toBe('failed')
    const before = await driver.read()
    expect(await driver.claim(await driver.deliver(0, { retriedByHand: true }))).toEqual(REFUSED)
    expect((await driver.read()).nodes).toEqual(before.nodes)
  })

  test('of the plan is possible when it was not needed', async () => {
    const nodes = [node('x'), node('y'), join('join', 'x', 'y')]
    const driver = await failed(nodes, 'y')
    await (await pressRetry(driver, 1)).settle('y')
    expect((await driver.read()).state).toBe('succeeded')
    expect(await driver.leftovers()).toEqual([])
  })

  test('waits anew for a handler after one had been missing too long', async () => {
    const driver = new Driver(redis(), chain(1))
    await (await driver.openGranted()).settle('k0', noHandler(60_000))
    await driver.passTime('k0', 60_000)
    await (await driver.claimGranted(0)).settle('k0', noHandler(60_000))
    expect((await driver.read()).state).toBe('failed')
    const again = await pressRetry(driver, 0)
    expect(await again.settle('k0', noHandler(60_000))).toMatchObject({ rowLeft: 'delayed' })
  })

  test('of a crash loop allows as many crashes again', async () => {
    const driver = new Driver(redis(), chain(1), { maxCrashes: 1 })
    await driver.openGranted()
    await driver.openGranted({ redelivered: true })
    await driver.claim(await driver.deliver(0, { redelivered: true }))
    expect((await driver.read()).state).toBe('failed')
    await pressRetry(driver, 0)
    const again = await driver.claimGranted(0, { redelivered: true })
    expect(again.grant('k0')).toMatchObject({ attempt: 4, crashes: 1 })
    expect(await again.settle('k0')).toMatchObject({ runEnd: 'succeeded' })
  })

  test('takes no time for a graph with thousands of descendants', async () => {
    const leaves = Array.from({ length: 2_000 }, (_, i) => node(`n${i}`, ['root']))
    const driver = await failed(
      [
        node('root'),
        ...leaves,
        node(
          'join',
          leaves.map(({ key }) => key),
        ),
      ],
      'root',
    )
    const started = performance.now()
    const again = await pressRetry(driver, 0)
    expect(performance.now() - started).toBeLessThan(500)
    expect(tickets(await again.settle('root'))).toHaveLength(2_000)
  })
})

describeWithRedis('a claim of an ended row', () => {
  interface Seen {
    readonly redelivered: boolean
    readonly retriedByHand: boolean
    readonly executes: boolean
  }

  test.each<Seen>([
    { redelivered: true, retriedByHand: false, executes: false },
    { redelivered: false, retriedByHand: true, executes: true },
    { redelivered: true, retriedByHand: true, executes: true },
    { redelivered: false, retriedByHand: false, executes: false },
  ])(
    'executes: $executes, when stalled more often: $redelivered, attempted more often: $retriedByHand',
    async ({ redelivered, retriedByHand, executes }) => {
      const driver = await failed(chain(2), 'k0')
      const before = await driver.states()
      const answer = await driver.claim(await driver.deliver(0, { redelivered, retriedByHand }))
      expect(answer.status).toBe(executes ? 'granted' : 'ended')
      if (answer.status === 'ended') {
        expect(answer.lastLogLine).toContain('"message":"k0"')
        expect(await driver.states()).toEqual(before)
      }
    },
  )

  test('remembers a redelivery, so that the next one is one too', async () => {
    const driver = await failed(chain(1), 'k0')
    for (let i = 0; i < 3; i++) {
      const answer = await driver.claim(await driver.deliver(0, { redelivered: true }))
      expect(answer.status).toBe('ended')
    }
    expect((await pressRetry(driver, 0)).keys).toEqual(['k0'])
  })

  test('answers the same delivery again as before', async () => {
    const driver = await failed(chain(1), 'k0')
    const delivery = await driver.deliver(0, { redelivered: true })
    const first = await driver.claim(delivery)
    const before = await driver.dump()
    expect(await driver.claim(delivery)).toEqual(first)
    expect(await driver.dump()).toEqual(before)
  })

  test('answers the delivery whose settle ended the row', async () => {
    const driver = new Driver(redis(), chain(1))
    const first = await driver.openGranted()
    await first.settle('k0', failure())
    expect((await driver.claim(first.delivery)).status).toBe('ended')
  })

  test('tells a redelivery which tickets its ticket owes', async () => {
    const nodes = [node('a'), node('alert', ['a'], { trigger: 'any_failed' })]
    const driver = new Driver(redis(), nodes)
    await (await driver.openGranted()).settle('a', failure())
    const answer = await driver.claim(await driver.deliver(0, { redelivered: true }))
    expect(answer).toMatchObject({ status: 'ended', toAdd: [{ ticket: 1, indices: [1] }] })
  })

  test('gives the values of the node again', async () => {
    const driver = await failed(chain(2), 'k1')
    const { values } = granted(await driver.claim(await driver.deliver(1, { retriedByHand: true })))
    expect(values).toEqual([{ index: 0, state: 'S', payload: JSON.stringify('done') }])
  })
})
