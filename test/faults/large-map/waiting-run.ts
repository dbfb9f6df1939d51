import type { RedisConnection } from '../../../src/coordinator/connection.ts'
import { Driver, tickets } from '../../coordinator/driver.ts'
import { groupOf, inMap, mapOf, node, runNode } from '../../coordinator/graphs.ts'

export const CHILDREN = 10_000
const COMPANY = 16
const CHUNK = 100
const AT_ONCE = 8

const FAMILY = [
  mapOf('call[]', [], CHILDREN),
  ...inMap('call[]', [runNode('call[*]')]),
  groupOf('call', 'call[]', 'call[*]'),
  node('last', ['call']),
]

/** A run in which the nodes of all items of a map wait for child runs, none of which is opened. */
export async function openWaitingRun(redis: RedisConnection, namespace: string): Promise<Driver> {
  const driver = new Driver(redis, FAMILY, { namespace })
  const map = await driver.openGranted()
  const added: number[] = []
  for (let first = 0; first < CHILDREN; first += CHUNK) {
    const items = Array.from({ length: CHUNK }, (_, i) => String(first + i))
    const answer = await driver.expand(map.delivery, map.grant('call[]'), first, items, COMPANY)
    if (answer.status === 'refused') throw new Error(answer.reason)
    added.push(...tickets(answer))
  }
  await map.settle('call[]', { kind: 'expanded' })
  const awaitAll = async () => {
    for (let ticket = added.pop(); ticket !== undefined; ticket = added.pop()) {
      await awaitChildren(driver, ticket)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, awaitAll))
  return driver
}

/** The child run of a node. */
export function childOf({ runId }: Driver, index: number): string {
  return `${runId}.${index}`
}

async function awaitChildren(driver: Driver, ticket: number): Promise<void> {
  const { coordinator } = driver
  const delivery = { ...(await driver.deliver(ticket)), size: COMPANY }
  const answer = await driver.claim(delivery, COMPANY)
  if (answer.status !== 'granted') throw new Error(`expected a grant, got ${answer.status}`)
  const run = await driver.openedRun()
  await Promise.all(
    answer.grants.map(async (grant) => {
      const child = childOf(driver, grant.index)
      await coordinator.awaitChild(delivery, grant, 'call', { runId: child, flow: 'child' })
      const outcome = { kind: 'awaiting', child } as const
      await coordinator.settle(delivery, run, grant.index, grant.attempt, outcome)
    }),
  )
}
