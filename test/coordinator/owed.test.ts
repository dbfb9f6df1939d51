import { expect, test } from 'vitest'
import type { RedisConnection } from '../../src/coordinator/connection.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { Driver, failure, success, tickets, useRedis } from './driver.ts'
import { chain, groupOf, inMap, mapOf, type NodeSpec, node } from './graphs.ts'
import { rerunsOf } from './rerun-driver.ts'

const redis = useRedis()

/** A root of which each of the others waits alone. */
const FAN: readonly NodeSpec[] = [node('a'), node('b', ['a']), node('c', ['a'])]

const MAP: readonly NodeSpec[] = [
  mapOf('fetch[]', [], 2_000),
  ...inMap('fetch[]', [node('fetch[*]')]),
  groupOf('fetch', 'fetch[]', 'fetch[*]'),
]

describeWithRedis('what a redelivery is told that its ticket owes', () => {
  test('costs nothing when its deliveries wrote no tickets', async () => {
    const { driver, pages } = watched(chain(2))
    const first = await driver.openGranted()
    await first.settle('k0', { kind: 'interrupted', log: 'interrupted|{}' })
    const again = await driver.claimGranted(0, { redelivered: true })
    expect(again.keys).toEqual(['k0'])
    expect(pages()).toBe(0)
    await again.settle('k0')
    expect(await owedOf(driver, 0)).toEqual([1])
  })

  test('are the tickets of a settle whose worker died before it added them', async () => {
    const { driver, pages } = watched([...FAN, node('other')])
    const first = await driver.openGranted({ free: 1, grain: 2 })
    expect(first.keys).toEqual(['a'])
    const answer = await first.settle('a')
    const written = tickets(answer)
    expect(written).toHaveLength(2)
    expect(await owedOf(driver, 0)).toEqual(written)
    await driver.claimGranted(written[0] ?? -1)
    expect(await owedOf(driver, 0)).toEqual(written.slice(1))
    expect(pages()).toBe(2)
  })

  test('are those that its deliveries wrote, not what others wrote between', async () => {
    const nodes = [node('a'), node('b'), node('c', ['a']), node('d', ['b']), node('e', ['a'])]
    const driver = new Driver(redis(), nodes)
    const root = await driver.openGranted()
    const other = await driver.claimGranted(1)
    await other.settle('b')
    const written = tickets(await root.settle('a'))
    expect(await owedOf(driver, 0)).toEqual(written)
    expect(written).not.toContain(2)
    expect(await owedOf(driver, 1)).toEqual([2])
  })

  test('is complete over several deliveries that each wrote some', async () => {
    const driver = new Driver(redis(), [...FAN, node('d'), node('e', ['d'])])
    const first = await driver.openGranted({ grain: 2, free: 2 })
    expect(first.keys).toEqual(['a', 'd'])
    const written = tickets(await first.settle('a'))
    const second = await driver.claimGranted(0, { redelivered: true })
    const more = tickets(await second.settle('d'))
    expect(more).toHaveLength(1)
    expect(await owedOf(driver, 0)).toEqual([...written, ...more])
  })

  test('are the nodes of a company that was lost', async () => {
    const driver = new Driver(redis(), [node('a'), node('b')])
    await driver.openGranted({ grain: 2, free: 2 })
    expect(await owedOf(driver, 0)).toEqual([1, 2])
    expect(await owedOf(driver, 0)).toEqual([1, 2])
  })

  test('is found for a row that a version before has claimed, which noted nothing', async () => {
    const driver = new Driver(redis(), FAN)
    const first = await driver.openGranted()
    await first.settle('a', failure())
    const row = (await driver.field('t0')) ?? ''
    expect(row.split('|')[4]).toBe('0')
    const again = await driver.claimGranted(0, { retriedByHand: true })
    await redis().hset(driver.keys.run(driver.runId), 't0', unnoted(await driver.field('t0')))
    const written = tickets(await again.settle('a', success()))
    expect(await owedOf(driver, 0)).toEqual(written)
  })

  test('stays found when a version after has claimed that row again', async () => {
    const driver = new Driver(redis(), [...FAN, node('d')])
    const first = await driver.openGranted({ grain: 2, free: 2 })
    await redis().hset(driver.keys.run(driver.runId), 't0', unnoted(await driver.field('t0')))
    const written = tickets(await first.settle('a'))
    const next = await driver.claimGranted(0, { redelivered: true })
    expect(tickets(next.answer)).toEqual(written)
    expect((await driver.field('t0'))?.split('|')[4]).toBe('')
  })

  test('is read in pages when a map has written more than a page', async () => {
    const { driver, pages } = watched(MAP)
    const active = await driver.openGranted()
    const items = Array.from({ length: 600 }, (_, i) => String(i))
    await driver.expand(active.delivery, active.grant('fetch[]'), 0, items)
    await driver.expand(active.delivery, active.grant('fetch[]'), 600, items)
    const again = await driver.claimGranted(0, { redelivered: true })
    expect(tickets(again.answer)).toEqual(Array.from({ length: 1_200 }, (_, i) => i + 1))
    expect(pages()).toBe(5)
    await again.settle('fetch[]', { kind: 'expanded' })
    expect(await owedOf(driver, 0)).toHaveLength(1_200)
  })

  test('outlives a manual retry of another node of the row', async () => {
    const nodes = [node('a'), node('b'), node('alert', ['a'], { trigger: 'any_failed' })]
    const driver = new Driver(redis(), nodes)
    const first = await driver.openGranted({ grain: 2, free: 2 })
    const written = tickets(await first.settle('a', failure()))
    await first.settle('b', failure())
    expect(await rerunsOf(driver).retryNodes(driver.runId, driver.indexOf('b'))).toMatchObject({
      status: 'ok',
      toAdd: [{ indices: [1] }],
    })
    expect(await owedOf(driver, 0)).toEqual(written)
  })

  test('comes with a settle that is repeated because its answer was lost', async () => {
    const { driver } = watched(FAN)
    const first = await driver.openGranted()
    const answer = await first.settle('a')
    expect(await first.settle('a')).toMatchObject({ toAdd: answer.toAdd })
  })
})

/** A driver, and how many pages of owed tickets it has asked for. */
function watched(nodes: readonly NodeSpec[]): { driver: Driver; pages: () => number } {
  let pages = 0
  const connection = new Proxy(redis(), {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        if ((name === 'fcall' || name === 'evalsha') && args.includes('owed')) pages += 1
        return value.apply(target, args)
      }
    },
  }) satisfies RedisConnection
  return { driver: new Driver(connection, nodes), pages: () => pages }
}

async function owedOf(driver: Driver, ticket: number): Promise<number[]> {
  const answer = await driver.claim(await driver.deliver(ticket, { redelivered: true }))
  return answer.status === 'refused' ? [] : tickets(answer)
}

/** A claimed row as versions wrote it that don't note the tickets of its deliveries. */
function unnoted(row: string | null): string {
  const fields = (row ?? '').split('|')
  return [...fields.slice(0, 4), '', ...fields.slice(5)].join('|')
}
