import { expect, test } from 'vitest'
import type { Outcome } from '../../src/coordinator/moves.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { Driver, failure, skip, success, tickets, useRedis } from './driver.ts'
import { groupOf, inMap, itemEnd, mapOf, type NodeSpec, node } from './graphs.ts'
import { rerunsOf } from './rerun-driver.ts'

const redis = useRedis()

/** A map over two tasks in a row, the groups of both, and a reducer of the second. */
const PIPELINE: readonly NodeSpec[] = [
  node('list'),
  mapOf('fetch[]', ['list']),
  ...inMap('fetch[]', [node('fetch[*]')]),
  groupOf('fetch', 'fetch[]', 'fetch[*]'),
  ...inMap('fetch[]', [node('parse[*]', ['fetch[*]'])]),
  groupOf('parse', 'fetch[]', 'parse[*]'),
  node('reduce', ['parse']),
]

const EXPANDED: Outcome = { kind: 'expanded' }

/** Opens the run, and gives the map its items. */
async function expanded(
  nodes: readonly NodeSpec[],
  count: number,
  map = 'fetch[]',
): Promise<{ driver: Driver; owed: number[] }> {
  const driver = new Driver(redis(), nodes)
  const first = await driver.openGranted()
  const settled = await first.settle('list')
  const active = await driver.claimGranted(settled.toAdd[0]?.ticket ?? -1)
  const items = Array.from({ length: count }, (_, i) => JSON.stringify(`item ${i}`))
  const answer = await driver.expand(active.delivery, active.grant(map), 0, items)
  if (answer.status !== 'expanded') throw new Error(answer.reason)
  const last = await active.settle(map, EXPANDED)
  return { driver, owed: [...tickets(answer), ...tickets(last)] }
}

describeWithRedis('a map', () => {
  test('makes a node per item, joined when all are final', async () => {
    const { driver, owed } = await expanded(PIPELINE, 3)
    expect(await driver.states()).toEqual({
      list: 'succeeded',
      'fetch[]': 'succeeded',
      'fetch[0]': 'ready',
      'parse[0]': 'pending',
      'fetch[1]': 'ready',
      'parse[1]': 'pending',
      'fetch[2]': 'ready',
      'parse[2]': 'pending',
      fetch: 'pending',
      parse: 'pending',
      reduce: 'pending',
    })
    await driver.finish(owed)
    const run = await driver.read()
    expect(run.state).toBe('succeeded')
    expect(run.nodes.every(({ state }) => state === 'succeeded')).toBe(true)
    expect(await driver.leftovers()).toEqual([])
  })

  test('of no items succeeds with its groups at once', async () => {
    const { driver, owed } = await expanded(PIPELINE, 0)
    expect(await driver.states()).toMatchObject({ fetch: 'succeeded', parse: 'succeeded' })
    await driver.finish(owed)
    expect((await driver.read()).state).toBe('succeeded')
  })

  test('fails its group with an item, and names the first in order', async () => {
    const { driver, owed } = await expanded(PIPELINE, 3)
    await driver.finish(owed.reverse(), { 'fetch[2]': failure(), 'fetch[1]': failure() })
    expect(await driver.states()).toMatchObject({
      'fetch[1]': 'failed',
      'parse[1]': 'upstream_failed',
      'parse[0]': 'succeeded',
      fetch: 'upstream_failed',
      parse: 'upstream_failed',
      reduce: 'upstream_failed',
    })
    const { causedBy, causes } = await driver.node('reduce')
    expect({ causedBy, causes }).toEqual({
      causedBy: 'fetch[1]',
      causes: ['fetch[1]', 'fetch[2]'],
    })
  })

  test('that fails makes no items, and fails its groups', async () => {
    const driver = new Driver(redis(), PIPELINE)
    await driver.execute({ 'fetch[]': failure('no array', 'map_invalid') })
    expect(await driver.states()).toEqual({
      list: 'succeeded',
      'fetch[]': 'failed',
      fetch: 'upstream_failed',
      parse: 'upstream_failed',
      reduce: 'upstream_failed',
    })
    expect(await driver.leftovers()).toEqual([])
  })

  test('that is skipped skips its groups', async () => {
    const driver = new Driver(redis(), PIPELINE)
    await driver.execute({ list: skip() })
    expect(await driver.states()).toMatchObject({ 'fetch[]': 'skipped', parse: 'skipped' })
    expect((await driver.read()).state).toBe('succeeded')
  })

  test.each([
    [0, 'upstream_failed', 'failed'],
    [1, 'upstream_failed', 'failed'],
    [2, 'succeeded', 'succeeded'],
    [0.4, 'upstream_failed', 'failed'],
    [0.5, 'succeeded', 'succeeded'],
  ])('tolerates %d of four items: two failures make the group %s', async (tolerate, state, run) => {
    const nodes = [
      node('list'),
      mapOf('fetch[]', ['list']),
      ...inMap('fetch[]', [node('fetch[*]')]),
      groupOf('fetch', 'fetch[]', 'fetch[*]', tolerate),
    ]
    const { driver, owed } = await expanded(nodes, 4)
    await driver.finish(owed, { 'fetch[1]': failure(), 'fetch[3]': failure(), 'fetch[0]': skip() })
    expect((await driver.node('fetch')).state).toBe(state)
    expect((await driver.node('fetch[3]')).forgiven).toBe(state === 'succeeded')
    expect((await driver.read()).state).toBe(run)
  })

  test('inside of a map has items of its own for each', async () => {
    const nodes = [
      node('list'),
      mapOf('outer[]', ['list']),
      ...inMap('outer[]', [node('outer[*]/list'), mapOf('outer[*]/fetch[]', ['outer[*]/list'])]),
      ...inMap('outer[*]/fetch[]', [node('outer[*]/fetch[*]')]),
      ...inMap('outer[]', [
        groupOf('outer[*]/fetch', 'outer[*]/fetch[]', 'outer[*]/fetch[*]'),
        itemEnd('outer[*]/$item', ['outer[*]/fetch']),
      ]),
      groupOf('outer', 'outer[]', 'outer[*]/$item'),
    ]
    const { driver, owed } = await expanded(nodes, 2, 'outer[]')
    const lists = await Promise.all(owed.map((ticket) => driver.claimGranted(ticket)))
    const added: number[] = []
    for (const [position, active] of lists.entries()) {
      const [ticket = -1] = tickets(await active.settle(`outer[${position}]/list`))
      const inner = await driver.claimGranted(ticket)
      const key = `outer[${position}]/fetch[]`
      const answer = await driver.expand(inner.delivery, inner.grant(key), 0, ['1', '2'])
      if (answer.status === 'expanded') added.push(...tickets(answer))
      added.push(...tickets(await inner.settle(key, EXPANDED)))
    }
    await driver.finish(added, { 'outer[1]/fetch[0]': failure() })
    expect(await driver.states()).toMatchObject({
      'outer[0]/fetch[1]': 'succeeded',
      'outer[1]/fetch[0]': 'failed',
      'outer[0]/fetch': 'succeeded',
      'outer[1]/fetch': 'upstream_failed',
      'outer[0]/$item': 'succeeded',
      'outer[1]/$item': 'upstream_failed',
      outer: 'upstream_failed',
    })
    expect(await driver.leftovers()).toEqual([])
  })
})

describeWithRedis('a chunk of items', () => {
  async function running(): Promise<{
    driver: Driver
    active: Awaited<ReturnType<Driver['claimGranted']>>
  }> {
    const driver = new Driver(redis(), PIPELINE)
    const first = await driver.openGranted()
    const settled = await first.settle('list')
    return { driver, active: await driver.claimGranted(settled.toAdd[0]?.ticket ?? -1) }
  }

  test('that was made before changes nothing, and tells where to go on', async () => {
    const { driver, active } = await running()
    const grant = active.grant('fetch[]')
    await driver.expand(active.delivery, grant, 0, ['1', '2'])
    const before = await driver.dump()
    const again = await driver.expand(active.delivery, grant, 0, ['1', '2'])
    expect(again).toEqual({ status: 'expanded', made: 2, toAdd: [] })
    expect(await driver.dump()).toEqual(before)
  })

  test('goes on where a lost worker stopped, and its tickets are owed to the redelivery', async () => {
    const { driver, active } = await running()
    await driver.expand(active.delivery, active.grant('fetch[]'), 0, ['1', '2'])
    const { ticket } = active.delivery
    const next = await driver.claimGranted(ticket, { redelivered: true })
    expect(tickets(next.answer)).toEqual([2, 3])
    const grant = next.grant('fetch[]')
    expect(grant).toMatchObject({ attempt: 2, crashes: 1 })
    expect(await driver.expand(next.delivery, grant, 0, ['1', '2', '3'])).toMatchObject({ made: 2 })
    const rest = await driver.expand(next.delivery, grant, 2, ['3'])
    expect(rest).toMatchObject({ made: 3, toAdd: [{ ticket: 4 }] })
    const late = await driver.expand(active.delivery, active.grant('fetch[]'), 3, ['4'])
    expect(late).toEqual({ status: 'refused', reason: 'superseded' })
    await next.settle('fetch[]', EXPANDED)
    await driver.finish([2, 3, 4])
    expect((await driver.read()).state).toBe('succeeded')
  })

  test('whose items end before the last is made does not end the group', async () => {
    const { driver, active } = await running()
    const grant = active.grant('fetch[]')
    const answer = await driver.expand(active.delivery, grant, 0, ['1', '2'])
    await driver.finish(answer.status === 'expanded' ? tickets(answer) : [])
    expect(await driver.states()).toMatchObject({ 'parse[1]': 'succeeded', fetch: 'pending' })
    const settled = await active.settle('fetch[]', EXPANDED)
    expect(await driver.states()).toMatchObject({ fetch: 'succeeded', parse: 'succeeded' })
    await driver.finish(tickets(settled))
    expect((await driver.read()).state).toBe('succeeded')
  })

  test.each([
    ['cancelled', (driver: Driver) => driver.coordinator.cancel(driver.runId)],
    ['no_run', (driver: Driver) => redis().del(driver.keys.run(driver.runId))],
  ])('is refused as %s', async (reason, happen) => {
    const { driver, active } = await running()
    const grant = active.grant('fetch[]')
    await driver.expand(active.delivery, grant, 0, ['1'])
    const run = await driver.openedRun()
    await happen(driver)
    const before = await driver.dump()
    const chunk = { first: 1, items: ['\n2'], grain: 1 }
    const answer = await driver.coordinator.expand(active.delivery, run, grant, chunk)
    expect(answer).toEqual({ status: 'refused', reason })
    expect(await driver.dump()).toEqual(before)
  })

  test('of a paused run waits for the pause to end', async () => {
    const { driver, active } = await running()
    await driver.coordinator.pause(driver.runId)
    await driver.expand(active.delivery, active.grant('fetch[]'), 0, ['1', '2'])
    await active.settle('fetch[]', EXPANDED)
    expect(await driver.states()).toMatchObject({ 'fetch[0]': 'waiting', 'fetch[1]': 'waiting' })
    const resumed = await driver.coordinator.resume(driver.runId)
    await driver.finish(resumed.status === 'ok' ? tickets(resumed) : [])
    expect((await driver.read()).state).toBe('succeeded')
  })
})

describeWithRedis('a failed item that is retried by hand', () => {
  test('runs alone, and its groups are counted anew', async () => {
    const { driver, owed } = await expanded(PIPELINE, 3)
    await driver.finish(owed, { 'fetch[1]': failure(), 'parse[2]': failure() })
    const ticket = Number((await driver.field(`n${driver.indexOf('fetch[1]')}`))?.split(':')[2])
    const retry = await driver.claimGranted(ticket, { retriedByHand: true })
    expect(retry.keys).toEqual(['fetch[1]'])
    expect(await driver.states()).toMatchObject({
      'fetch[1]': 'running',
      'parse[1]': 'pending',
      'fetch[0]': 'succeeded',
      fetch: 'pending',
      parse: 'pending',
      reduce: 'pending',
    })
    const settled = await retry.settle('fetch[1]', success())
    expect((await driver.node('fetch')).state).toBe('succeeded')
    await driver.finish(tickets(settled))
    expect(await driver.states()).toMatchObject({
      'parse[1]': 'succeeded',
      parse: 'upstream_failed',
    })
    expect((await driver.node('parse')).causes).toEqual(['parse[2]'])
  })

  test.for([{ order: [0, 2, 4] }, { order: [4, 2, 0] }, { order: [2, 0, 4] }])(
    'leaves the others as the causes: $order',
    async ({ order }) => {
      const nodes = PIPELINE.slice(0, 4)
      const { driver, owed } = await expanded(nodes, 5)
      const failed = new Set(order.map((position) => `fetch[${position}]`))
      await driver.finish(owed, Object.fromEntries([...failed].map((key) => [key, failure()])))
      const reruns = rerunsOf(driver)
      for (const key of [...failed]) {
        const left = [...failed].sort()
        expect(await driver.node('fetch')).toMatchObject({ causedBy: left[0], causes: left })
        const answer = await reruns.retryNodes(driver.runId, driver.indexOf(key))
        await driver.finish(answer.status === 'ok' ? tickets(answer) : [])
        failed.delete(key)
      }
      expect((await driver.read()).state).toBe('succeeded')
      expect(await driver.field(`f${driver.indexOf('fetch')}`)).toBeNull()
    },
  )

  test('is counted anew also where a map is the end of an item', async () => {
    const nodes = [
      node('list'),
      mapOf('fetch[]', ['list']),
      ...inMap('fetch[]', [node('fetch[*]'), mapOf('fetch[*]/inner[]', ['fetch[*]'])]),
      ...inMap('fetch[*]/inner[]', [node('fetch[*]/inner[*]')]),
      ...inMap('fetch[]', [groupOf('fetch[*]/inner', 'fetch[*]/inner[]', 'fetch[*]/inner[*]')]),
      groupOf('fetch', 'fetch[]', 'fetch[*]/inner[]'),
    ]
    const { driver, owed } = await expanded(nodes, 2)
    const others = { 'fetch[0]/inner[]': skip(), 'fetch[1]/inner[]': skip() }
    await driver.finish(owed, { ...others, 'fetch[1]': failure() })
    expect((await driver.node('fetch')).state).toBe('upstream_failed')
    const answer = await rerunsOf(driver).retryNodes(driver.runId, driver.indexOf('fetch[1]'))
    await driver.finish(answer.status === 'ok' ? tickets(answer) : [], others)
    expect(await driver.states()).toMatchObject({
      'fetch[1]': 'succeeded',
      'fetch[1]/inner[]': 'skipped',
      fetch: 'succeeded',
    })
    expect((await driver.read()).state).toBe('succeeded')
  })
})
