import { expect, test } from 'vitest'
import type { Outcome } from '../../src/coordinator/moves.ts'
import type { NodeState, RunState } from '../../src/core/states.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { Driver, failure, granted, settledAnswer, success, tickets, useRedis } from './driver.ts'
import { chain, gate, graphOf, join, type NodeSpec, node, settledOf } from './graphs.ts'

const redis = useRedis()

interface Case {
  readonly name: string
  readonly nodes: readonly NodeSpec[]
  /** The nodes that fail; all others succeed if they run. */
  readonly failing: readonly string[]
  readonly run: RunState
  /** Without those that succeeded. */
  readonly states: Readonly<Record<string, NodeState>>
  readonly forgiven?: readonly string[]
  readonly causedBy?: Readonly<Record<string, string>>
}

const onFailure = { trigger: 'any_failed' } as const
/** x, or else plan, then y with the value of either. */
const planB = [
  node('x'),
  gate('gate', 'x'),
  node('plan', ['gate']),
  join('join', 'x', 'plan'),
  node('y', ['join']),
]
/** The cause of x's failure is two nodes before it. */
const planBLater = [
  node('cause'),
  node('between', ['cause']),
  node('x', ['between']),
  gate('gate', 'x'),
  node('plan', ['gate']),
  join('join', 'x', 'plan'),
]

const CASES: Case[] = [
  {
    name: 'all_success runs when all upstreams succeeded',
    nodes: [node('a'), node('b'), node('c', ['a', 'b'])],
    failing: [],
    run: 'succeeded',
    states: {},
  },
  {
    name: 'all_success is upstream_failed by the first upstream in order that failed',
    nodes: [node('a'), node('b'), node('c', ['a', 'b']), node('d', ['c'])],
    failing: ['a', 'b'],
    run: 'failed',
    states: { a: 'failed', b: 'failed', c: 'upstream_failed', d: 'upstream_failed' },
    causedBy: { c: 'a', d: 'a' },
  },
  {
    name: 'any_failed runs after a failure, and the run stays failed',
    nodes: [node('a'), node('b'), node('alert', ['a', 'b'], onFailure)],
    failing: ['b'],
    run: 'failed',
    states: { b: 'failed' },
  },
  {
    name: 'any_failed is skipped when nothing failed, and so is what needs it',
    nodes: [node('a'), node('alert', ['a'], onFailure), node('after', ['alert']), node('b', ['a'])],
    failing: [],
    run: 'succeeded',
    states: { alert: 'skipped', after: 'skipped' },
  },
  {
    name: 'any_failed counts an upstream failure as a failure',
    nodes: [node('a'), node('b', ['a']), node('alert', ['b'], onFailure)],
    failing: ['a'],
    run: 'failed',
    states: { a: 'failed', b: 'upstream_failed' },
    causedBy: { b: 'a' },
  },
  {
    name: 'any_failed after a skip is skipped',
    nodes: [node('a'), node('b', ['a'], onFailure), node('c', ['b'], onFailure)],
    failing: [],
    run: 'succeeded',
    states: { b: 'skipped', c: 'skipped' },
  },
  {
    name: 'a failure beside a skip makes a node upstream_failed',
    nodes: [node('a'), node('b'), node('c', ['b'], onFailure), node('d', ['a', 'c'])],
    failing: ['a'],
    run: 'failed',
    states: { a: 'failed', c: 'skipped', d: 'upstream_failed' },
    causedBy: { d: 'a' },
  },
  {
    name: 'orElse does not take its plan when the first side succeeded',
    nodes: planB,
    failing: [],
    run: 'succeeded',
    states: { gate: 'skipped', plan: 'skipped' },
  },
  {
    name: 'orElse takes its plan and forgives the failure',
    nodes: planB,
    failing: ['x'],
    run: 'succeeded',
    states: { x: 'failed' },
    forgiven: ['x'],
  },
  {
    name: 'orElse forgives nothing when the plan fails too',
    nodes: planB,
    failing: ['x', 'plan'],
    run: 'failed',
    states: { x: 'failed', plan: 'failed', join: 'upstream_failed', y: 'upstream_failed' },
    causedBy: { join: 'x', y: 'x' },
  },
  {
    name: 'orElse forgives all nodes that made its first side fail',
    nodes: planBLater,
    failing: ['cause'],
    run: 'succeeded',
    states: { cause: 'failed', between: 'upstream_failed', x: 'upstream_failed' },
    forgiven: ['cause', 'between', 'x'],
    causedBy: { between: 'cause', x: 'cause' },
  },
  {
    name: 'orElse does not make another branch of the failed node green',
    nodes: [...planBLater, node('other', ['cause'])],
    failing: ['cause'],
    run: 'failed',
    states: {
      cause: 'failed',
      between: 'upstream_failed',
      x: 'upstream_failed',
      other: 'upstream_failed',
    },
    forgiven: ['cause', 'between', 'x'],
    causedBy: { between: 'cause', x: 'cause', other: 'cause' },
  },
  {
    name: 'orElse forgives every failed upstream of its first side',
    nodes: [
      node('a'),
      node('b'),
      node('x', ['a', 'b']),
      gate('gate', 'x'),
      node('plan', ['gate']),
      join('join', 'x', 'plan'),
    ],
    failing: ['a', 'b'],
    run: 'succeeded',
    states: { a: 'failed', b: 'failed', x: 'upstream_failed' },
    forgiven: ['a', 'b', 'x'],
    causedBy: { x: 'a' },
  },
  {
    name: 'a clean-up after a failure that orElse forgave still runs',
    nodes: [...planB, node('cleanUp', ['x'], onFailure)],
    failing: ['x'],
    run: 'succeeded',
    states: { x: 'failed' },
    forgiven: ['x'],
  },
  {
    name: 'a nested orElse takes the plan of the plan',
    nodes: [
      node('x'),
      gate('gate', 'x'),
      node('plan', ['gate']),
      gate('gate-2', 'plan'),
      node('plan-2', ['gate-2']),
      join('join-2', 'plan', 'plan-2'),
      join('join', 'x', 'join-2'),
    ],
    failing: ['x', 'plan'],
    run: 'succeeded',
    states: { x: 'failed', plan: 'failed' },
    forgiven: ['x', 'plan'],
  },
  {
    name: 'a nested orElse that is not needed is skipped whole',
    nodes: [
      node('x'),
      gate('gate', 'x'),
      node('plan', ['gate']),
      gate('gate-2', 'plan'),
      node('plan-2', ['gate-2']),
      join('join-2', 'plan', 'plan-2'),
      join('join', 'x', 'join-2'),
    ],
    failing: [],
    run: 'succeeded',
    states: {
      gate: 'skipped',
      plan: 'skipped',
      'gate-2': 'skipped',
      'plan-2': 'skipped',
      'join-2': 'skipped',
    },
  },
  {
    name: 'orElse over a skipped node is skipped',
    nodes: [
      node('a'),
      node('x', ['a'], onFailure),
      gate('gate', 'x'),
      node('plan', ['gate']),
      join('join', 'x', 'plan'),
    ],
    failing: [],
    run: 'succeeded',
    states: { x: 'skipped', gate: 'skipped', plan: 'skipped', join: 'skipped' },
  },
  {
    name: 'orElse over an orElse that failed takes the outer plan',
    nodes: [
      node('x'),
      gate('gate', 'x'),
      node('plan', ['gate']),
      join('join', 'x', 'plan'),
      gate('gate-2', 'join'),
      node('plan-2', ['gate-2']),
      join('join-2', 'join', 'plan-2'),
    ],
    failing: ['x', 'plan'],
    run: 'succeeded',
    states: { x: 'failed', plan: 'failed', join: 'upstream_failed' },
    forgiven: ['x', 'plan', 'join'],
    causedBy: { join: 'x' },
  },
  {
    name: 'settled succeeds after a success',
    nodes: [node('x'), settledOf('settled', 'x'), node('y', ['settled'])],
    failing: [],
    run: 'succeeded',
    states: {},
  },
  {
    name: 'settled succeeds after a failure, which still counts',
    nodes: [node('x'), settledOf('settled', 'x'), node('y', ['settled'])],
    failing: ['x'],
    run: 'failed',
    states: { x: 'failed' },
  },
  {
    name: 'settled succeeds after an upstream failure',
    nodes: [node('a'), node('x', ['a']), settledOf('settled', 'x'), node('y', ['settled'])],
    failing: ['a'],
    run: 'failed',
    states: { a: 'failed', x: 'upstream_failed' },
    causedBy: { x: 'a' },
  },
  {
    name: 'settled succeeds after a skip',
    nodes: [
      node('a'),
      node('x', ['a'], onFailure),
      settledOf('settled', 'x'),
      node('y', ['settled']),
    ],
    failing: [],
    run: 'succeeded',
    states: { x: 'skipped' },
  },
  {
    name: 'virtual nodes follow one another in one move',
    nodes: [
      node('x'),
      settledOf('s', 'x'),
      settledOf('s-2', 's'),
      gate('gate', 's-2'),
      join('join', 's-2', 'gate'),
    ],
    failing: ['x'],
    run: 'failed',
    states: { x: 'failed', gate: 'skipped' },
  },
  {
    name: 'a diamond meets again',
    nodes: [node('a'), node('b', ['a']), node('c', ['a']), node('d', ['b', 'c'])],
    failing: [],
    run: 'succeeded',
    states: {},
  },
  {
    name: 'a diamond with a broken side is upstream_failed',
    nodes: [node('a'), node('b', ['a']), node('c', ['a']), node('d', ['b', 'c'])],
    failing: ['c'],
    run: 'failed',
    states: { c: 'failed', d: 'upstream_failed' },
    causedBy: { d: 'c' },
  },
]

describeWithRedis('resolve', () => {
  test.each(CASES)(
    '$name',
    async ({ nodes, failing, run, states, forgiven = [], causedBy = {} }) => {
      const driver = new Driver(redis(), nodes)
      const outcomes: Record<string, Outcome> = {}
      for (const key of failing) outcomes[key] = failure(key)
      await driver.execute(outcomes)
      const read = await driver.read()
      const expected = nodes.map(({ key }) => ({
        key,
        state: states[key] ?? 'succeeded',
        forgiven: forgiven.includes(key),
        causedBy: causedBy[key] ?? null,
      }))
      expect(read.nodes).toMatchObject(expected)
      expect(read.state).toBe(run)
      expect(await driver.leftovers()).toEqual([])
    },
  )

  test.each([
    ['any_failed_fast', failure(), success()],
    ['any_success_fast', success(), failure()],
  ] as const)(
    'starts %s at the first upstream that decides it, and never again',
    async (trigger, first, second) => {
      const nodes = [
        node('a'),
        node('b'),
        node('fast', ['a', 'b'], { trigger }),
        node('end', ['fast']),
      ]
      const driver = new Driver(redis(), nodes)
      const a = await driver.openGranted()
      const b = await driver.claimGranted(1)
      expect(tickets(await a.settle('a', first))).toEqual([2])
      expect(await driver.states()).toMatchObject({ b: 'running', fast: 'ready' })
      const fast = await driver.claimGranted(2)
      await driver.finish(tickets(await fast.settle('fast')))
      expect(tickets(await b.settle('b', second))).toEqual([])
      expect((await driver.read()).state).toBe('failed')
      expect(await driver.leftovers()).toEqual([])
    },
  )

  test('starts a fast node once when two of its upstreams fail in one move', async () => {
    const nodes = [
      node('x'),
      node('a', ['x']),
      node('b', ['x']),
      node('fast', ['a', 'b'], { trigger: 'any_failed_fast' }),
    ]
    const driver = new Driver(redis(), nodes)
    const x = await driver.openGranted()
    expect((await x.settle('x', failure())).toAdd).toMatchObject([{ indices: [3] }])
    await driver.finish([1])
    expect(await driver.node('fast')).toMatchObject({ state: 'succeeded', attempts: 1 })
  })

  test('names every node that made another one fail', async () => {
    const nodes = [
      node('a'),
      node('b'),
      node('c', ['a']),
      node('all', ['b', 'c']),
      node('two', ['a', 'b'], { trigger: { kind: 'at_most', count: 1, of: 'failed' } }),
    ]
    const driver = new Driver(redis(), nodes)
    await driver.execute({ a: failure(), b: failure() })
    expect(await driver.node('all')).toMatchObject({ causedBy: 'b', causes: ['b', 'a'] })
    expect(await driver.node('two')).toMatchObject({ causedBy: 'a', causes: ['a', 'b'] })
  })

  test.each([
    ['only', 'succeeded'],
    ['both', 'failed'],
  ])('ends the run by the nodes that count: %s', async (counted, state) => {
    const nodes = [node('only'), node('both')]
    const driver = new Driver(redis(), graphOf(nodes, [counted]))
    await driver.execute({ both: failure() })
    expect((await driver.read()).state).toBe(state)
  })

  test('grants a join once when its two upstreams end at the same time', async () => {
    const nodes = [node('a'), node('b'), node('join', ['a', 'b']), node('end', ['join'])]
    const driver = new Driver(redis(), nodes)
    const a = await driver.openGranted()
    const b = await driver.claimGranted(1)
    const [one, other] = await Promise.all([a.settle('a'), b.settle('b')])
    expect([...tickets(one), ...tickets(other)]).toEqual([2])
    expect((await driver.claimGranted(2)).keys).toEqual(['join'])
  })

  test('runs a fan of 300, and its join once', async () => {
    const leaves = Array.from({ length: 300 }, (_, i) => node(`leaf-${i}`, ['root']))
    const nodes = [
      node('root'),
      ...leaves,
      node(
        'join',
        leaves.map(({ key }) => key),
      ),
    ]
    const driver = new Driver(redis(), nodes)
    const root = await driver.openGranted()
    const owed = tickets(await root.settle('root'))
    expect(owed).toHaveLength(300)
    const answers = await Promise.all(
      owed.map(async (ticket) => {
        const active = await driver.claimGranted(ticket)
        return active.settle(active.keys[0] ?? '', success(ticket))
      }),
    )
    const last = answers.flatMap(tickets)
    expect(last).toEqual([301])
    const join = await driver.claimGranted(301)
    expect(join.answer.values).toHaveLength(300)
    expect(await join.settle('join')).toMatchObject({ runEnd: 'succeeded' })
    expect(await driver.leftovers()).toEqual([])
  })

  test('runs a chain of 200', async () => {
    const driver = new Driver(redis(), chain(200))
    await driver.execute({})
    expect((await driver.read()).state).toBe('succeeded')
  })

  test('fails a chain of 200 in one move', async () => {
    const driver = new Driver(redis(), chain(200))
    const first = await driver.openGranted()
    expect(await first.settle('k0', failure())).toMatchObject({ runEnd: 'failed', toAdd: [] })
    const { nodes } = await driver.read()
    expect(
      nodes
        .slice(1)
        .every(({ state, causedBy }) => state === 'upstream_failed' && causedBy === 'k0'),
    ).toBe(true)
  })

  test('counts more skipped, failed and succeeded upstreams than a byte holds', async () => {
    const roots = Array.from({ length: 600 }, (_, i) => node(`r${i}`, ['root']))
    const skipped = roots.slice(0, 200).map(({ key }) => node(`s-${key}`, [key], onFailure))
    const all = [...roots, ...skipped].map(({ key }) => key)
    const driver = new Driver(redis(), [node('root'), ...roots, ...skipped, node('join', all)])
    const root = await driver.openGranted()
    const owed = tickets(await root.settle('root'))
    for (const ticket of owed) {
      const delivery = await driver.deliver(ticket)
      const [grant] = granted(await driver.claim(delivery)).grants
      const key = driver.keyOf(grant?.index ?? -1)
      const outcome = Number(key.slice(1)) >= 300 ? failure() : success()
      settledAnswer(await driver.settle(delivery, key, outcome, 1))
    }
    expect(await driver.node('join')).toMatchObject({ state: 'upstream_failed', causedBy: 'r300' })
    expect((await driver.read()).state).toBe('failed')
  })

  test('goes on with a graph of thousands of nodes', async () => {
    const nodes = [
      node('root'),
      ...Array.from({ length: 5_000 }, (_, i) => node(`n${i}`, ['root'])),
    ]
    const driver = new Driver(redis(), nodes)
    const root = await driver.openGranted()
    expect((await root.settle('root', failure())).runEnd).toBe('failed')
    expect(
      Object.values(await driver.states()).filter((s) => s === 'upstream_failed'),
    ).toHaveLength(5_000)
  })
})
