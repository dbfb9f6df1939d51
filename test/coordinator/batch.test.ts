import { expect, test } from 'vitest'
import { MoveBatch } from '../../src/coordinator/batch.ts'
import { RepriseError } from '../../src/core/errors.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { Driver, success, useRedis } from './driver.ts'
import { chain, node } from './graphs.ts'

const redis = useRedis()

describeWithRedis('the moves of one tick', () => {
  test('go in one call and are answered in their order', async () => {
    const drivers = Array.from({ length: 5 }, () => new Driver(redis(), chain(1)))
    const [first] = drivers
    if (!first) throw new Error('no driver')
    const sent: number[] = []
    const spied = spyOnCalls((moves) => sent.push(moves))
    const batch = new MoveBatch(spied, first.keys.live, settingsOf(first))
    await batch.run('resume', ['no-such-run']) // the first call of all may be sent twice, to load the script
    sent.length = 0
    const refusals = await Promise.all(
      drivers.map((driver) => batch.run('settle', settleArguments(driver.runId))),
    )
    expect(sent).toEqual([5])
    expect(refusals).toEqual(Array(5).fill(['refused', 'no_run']))
  })

  test('keep their order, so that a later one sees what an earlier one did', async () => {
    const driver = new Driver(redis(), chain(2))
    const { delivery } = await driver.openGranted()
    const next = await driver.deliver(1)
    const run = await driver.openedRun()
    const settle = driver.coordinator.settle(delivery, run, 0, 1, success())
    const claim = driver.claim(next)
    expect(await settle).toMatchObject({ status: 'settled', toAdd: [{ ticket: 1 }] })
    expect(await claim).toMatchObject({ status: 'granted', grants: [{ index: 1 }] })
  })

  test('are sent in several calls when they are many', async () => {
    const driver = new Driver(redis(), chain(1))
    const sent: number[] = []
    const batch = new MoveBatch(
      spyOnCalls((moves) => sent.push(moves)),
      driver.keys.live,
      settingsOf(driver),
    )
    await batch.run('resume', ['no-such-run'])
    sent.length = 0
    const answers = await Promise.all(
      Array.from({ length: 150 }, () => batch.run('settle', settleArguments(driver.runId))),
    )
    expect(sent).toEqual([...Array(9).fill(16), 6])
    expect(answers).toHaveLength(150)
  })
})

describeWithRedis('the moves of one call', () => {
  test.for([
    { name: 'about few nodes each', weights: Array(16).fill(2), sizes: [16] },
    { name: 'about many nodes together', weights: [16, 16, 16, 15, 1, 1], sizes: [2, 3, 1] },
    {
      name: 'of which one is about more nodes than a call may be',
      weights: [1, 500, 1],
      sizes: [1, 1, 1],
    },
  ])('$name: $sizes', async ({ weights, sizes }) => {
    const driver = new Driver(redis(), chain(1))
    const sent: number[] = []
    const spied = spyOnCalls((moves) => sent.push(moves))
    const batch = new MoveBatch(spied, driver.keys.live, settingsOf(driver))
    const args = settleArguments(driver.runId)
    await batch.run('resume', ['no-such-run'])
    sent.length = 0
    const answers = await Promise.all(weights.map((weight) => batch.run('settle', args, weight)))
    expect(answers).toEqual(weights.map(() => ['refused', 'no_run']))
    expect(sent).toEqual(sizes)
  })

  test('are as much as the attempts that one of them settles', async () => {
    const driver = new Driver(redis(), chain(1))
    const sent: number[] = []
    const spied = spyOnCalls((moves) => sent.push(moves))
    const batch = new MoveBatch(spied, driver.keys.live, settingsOf(driver))
    const [run = '', ticket = '', lease = '', at = '', graph = '', ...attempt] = settleArguments(
      driver.runId,
    )
    await batch.run('resume', ['no-such-run'])
    sent.length = 0
    const company = (subject: object) =>
      Array.from({ length: 40 }, () =>
        batch.runPart('settle', { subject, args: [run, ticket, lease, at, graph] }, [
          ...attempt,
          '',
        ]),
      )
    const answers = await Promise.all([...company({}), ...company({})])
    expect(answers).toEqual(Array(80).fill(['refused', 'no_run']))
    expect(sent).toEqual([1, 1])
  })
})

describeWithRedis('a move that raises an error', () => {
  test('fails alone: the others of its call are made and answered', async () => {
    const driver = new Driver(redis(), [node('a'), node('b'), node('c')])
    const a = await driver.openGranted()
    const b = await driver.claimGranted(1)
    const broken = await driver.deliver(0)
    const planted = { ...broken, runId: 'planted' }
    await redis().set(driver.keys.run('planted'), 'no hash')
    const run = await driver.openedRun()
    const settleA = driver.coordinator.settle(a.delivery, run, 0, 1, success())
    const claim = driver.claim(planted)
    const settleB = driver.coordinator.settle(b.delivery, run, 1, 1, success())
    await expect(claim).rejects.toThrow(/WRONGTYPE/)
    await expect(claim).rejects.toBeInstanceOf(RepriseError)
    expect((await settleA).status).toBe('settled')
    expect((await settleB).status).toBe('settled')
    expect(await driver.states()).toEqual({ a: 'succeeded', b: 'succeeded', c: 'ready' })
  })

  test('says so when the move is unknown', async () => {
    const driver = new Driver(redis(), chain(1))
    const batch = new MoveBatch(redis(), driver.keys.live, settingsOf(driver))
    const [status] = await batch.run('no-such-move', [])
    expect(status).toBe('error')
  })
})

function settingsOf({ keys }: Driver): (string | number)[] {
  return [keys.prefix, 3_600_000, 3_600_000, 3]
}

function settleArguments(runId: string): (string | number)[] {
  return [runId, 0, 'lease', 0, 'graph', 0, 1, 'succeeded', '1', '', '-1.1.0']
}

/** A connection that tells how many settles each call holds, just before it is made. */
function spyOnCalls(before: (moves: number) => unknown) {
  const connection = redis()
  return new Proxy(connection, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      if (name !== 'fcall') return value.bind(target)
      return async (...args: unknown[]) => {
        await before(args.filter((argument) => argument === 'settle').length)
        return value.apply(target, args)
      }
    },
  })
}
