import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { SettleAnswer } from '../../src/coordinator/answers.ts'
import type { GoOn, Outcome } from '../../src/coordinator/coordinator.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import {
  type Active,
  Driver,
  failure,
  interruption,
  noHandler,
  parkedFor,
  retryIn,
  skip,
  success,
  useRedis,
} from './driver.ts'
import { node } from './graphs.ts'

const redis = useRedis()
const MINUTE = 60_000
const MEMBERS = ['a', 'b', 'c']

/** One delivery holds a, b and c, which run. */
async function company(): Promise<{ driver: Driver; active: Active }> {
  const nodes = [
    ...MEMBERS.map((key) => node(key)),
    node('join', MEMBERS),
    node('any', ['a', 'b'], { trigger: 'any_failed_fast' }),
    node('after', ['c']),
    node('late', ['b'], { delayMs: 5_000 }),
  ]
  const driver = new Driver(redis(), nodes, { grain: 3 })
  return { driver, active: await driver.openGranted({ free: 3 }) }
}

const goOn: GoOn = { place: 0, grain: 2, slots: 2 }

function together({ active }: { active: Active }, outcomes: readonly Outcome[]) {
  return Promise.all(outcomes.map((outcome, i) => active.settle(MEMBERS[i] ?? '', outcome, goOn)))
}

describeWithRedis('attempts of one delivery that are settled in one tick', () => {
  test('are read and written as one', async () => {
    const scene = await company()
    const before = await commandCalls()
    await together(scene, [success(), success(), success()])
    const after = await commandCalls()
    expect(after.evalsha - before.evalsha).toBe(1)
    // The results, and the run.
    expect(after.hset - before.hset).toBe(2)
    expect(after.publish - before.publish).toBe(1)
  })

  test('are answered as if they had come one after the other', async () => {
    const kinds: Outcome[] = [
      success({ n: 1 }),
      failure(),
      skip(),
      retryIn(MINUTE),
      retryIn(MINUTE, { queue: 'slow', priority: 7 }),
      interruption(),
      noHandler(MINUTE),
      noHandler(0),
      parkedFor('budget', MINUTE, 0),
      { kind: 'condition_false' },
    ]
    const three = fc.tuple(...MEMBERS.map(() => fc.constantFrom(...kinds)))
    await fc.assert(
      fc.asyncProperty(three, async (outcomes) => {
        const one = await company()
        const answers: SettleAnswer[] = []
        for (const [i, outcome] of outcomes.entries()) {
          answers.push(await one.active.settle(MEMBERS[i] ?? '', outcome, goOn))
        }
        const other = await company()
        const atOnce = await together(other, outcomes)
        expect(atOnce.map(timeless)).toEqual(answers.map(timeless))
        // Of a node that was still running, a fast trigger's answer may bring the result that came in the same tick.
        expect(atOnce.flatMap(finalValues)).toEqual(
          expect.arrayContaining(answers.flatMap(finalValues)),
        )
        expect(await stored(other.driver)).toEqual(await stored(one.driver))
      }),
      { numRuns: 60 },
    )
  })

  test('count for a join with what was counted before', async () => {
    const scene = await company()
    await scene.active.settle('a', success())
    const { driver, active } = scene
    const [, last] = await Promise.all([active.settle('b'), active.settle('c', success(), goOn)])
    expect(last?.grants.map(({ index }) => driver.keyOf(index))).toEqual(['join', 'after'])
    expect(await driver.leftovers()).not.toContain(`w${driver.indexOf('join')}`)
  })

  test('do not touch one another when one is refused', async () => {
    const { driver, active } = await company()
    const [first, refused, last] = await Promise.all([
      active.settle('a'),
      driver.settle(active.delivery, 'b', success(), 2),
      active.settle('c'),
    ])
    expect(first).toMatchObject({ status: 'settled', rowLeft: 'more' })
    expect(refused).toEqual({ status: 'refused', reason: 'behind' })
    expect(last).toMatchObject({ status: 'settled', rowLeft: 'more' })
    expect(await driver.states()).toMatchObject({ a: 'succeeded', b: 'running', c: 'succeeded' })
    expect(await active.settle('b')).toMatchObject({ rowLeft: 'empty' })
  })

  test('do not touch one another when one raises an error', async () => {
    const { driver, active } = await company()
    await redis().set(driver.keys.log(driver.runId), 'no hash')
    const [first, broken, last] = await Promise.allSettled([
      active.settle('a'),
      active.settle('b', failure()),
      active.settle('c'),
    ])
    expect(first).toMatchObject({ status: 'fulfilled', value: { rowLeft: 'more' } })
    expect(broken).toMatchObject({ status: 'rejected' })
    expect(last).toMatchObject({ status: 'fulfilled', value: { rowLeft: 'more' } })
    await redis().del(driver.keys.log(driver.runId))
    expect(await driver.states()).toMatchObject({ a: 'succeeded', b: 'running', c: 'succeeded' })
    expect(await redis().hkeys(driver.keys.out(driver.runId))).toEqual(['0', '2'])
  })

  test('are counted once when one of them is sent twice', async () => {
    const { driver, active } = await company()
    const [first, repeated] = await Promise.all([
      active.settle('a'),
      active.settle('a', success(2)),
    ])
    expect(repeated).toMatchObject({ status: 'settled', rowLeft: first?.rowLeft })
    expect(await redis().hget(driver.keys.out(driver.runId), '0')).toBe('"done"')
    expect(await driver.nodesLeft()).toBe(driver.graph.graph.nodes.length - 1)
  })

  test('are all refused when the run was cancelled', async () => {
    const { driver, active } = await company()
    await driver.coordinator.cancel(driver.runId)
    const answers = await Promise.all(
      MEMBERS.map((key) => driver.settle(active.delivery, key, success(), 1)),
    )
    expect(answers).toEqual(MEMBERS.map(() => ({ status: 'refused', reason: 'cancelled' })))
  })

  test('end the run with the last', async () => {
    const driver = new Driver(redis(), [node('a'), node('b'), node('c')], { grain: 3 })
    const active = await driver.openGranted({ free: 3 })
    const answers = await together({ active }, [success(), failure('it broke'), success()])
    expect(answers.map(({ runEnd }) => runEnd)).toEqual(['', '', 'failed'])
    expect(answers.map(({ rowLeft }) => rowLeft)).toEqual(['more', 'more', 'failed'])
    expect(answers[2]?.lastLogLine).toContain('it broke')
    expect(await driver.leftovers()).toEqual([])
  })
})

/** An answer without what depends on the time at which it was given. */
function timeless(answer: SettleAnswer): unknown {
  if (answer.status === 'refused') return answer
  const { waitMs, lastLogLine, grants, values: _values, ...rest } = answer
  return {
    ...rest,
    waits: waitMs > 0,
    lastLogLine: withoutNumbers(lastLogLine),
    grants: grants.map(({ startedAt: _, ...grant }) => grant),
  }
}

function finalValues(answer: SettleAnswer): unknown[] {
  const values = answer.status === 'settled' ? answer.values : []
  return values
    .filter(({ state }) => state !== '' && !'YRTWHBO'.includes(state))
    .map(({ payload, ...value }) => ({ ...value, payload: withoutNumbers(payload ?? '') }))
}

function withoutNumbers(text: string): string {
  return text.replaceAll(/\d+/g, '#')
}

/** What is stored of the run, without times and leases. */
async function stored({ keys, runId }: Driver): Promise<unknown> {
  const fields = await redis().hgetall(keys.run(runId))
  const logs = await redis().hgetall(keys.log(runId))
  const parts = Object.entries(fields).map(([name, value]) => [name, withoutTimes(name, value)])
  return {
    fields: Object.fromEntries(parts),
    out: await redis().hgetall(keys.out(runId)),
    logs: Object.entries(logs).map(([index, log]) => [index, withoutNumbers(log)]),
  }
}

function withoutTimes(name: string, value: string): string {
  if (/^n\d/.test(name)) return value.split(':').slice(0, 5).join(':')
  if (/^t\d/.test(name)) return value.replace(/^(\w)\|([\d.]*)\|[^|]*\|(\d*)\|-?\d*/, '$1|$2|$3')
  return name === 'at' || name === 'e' ? '' : value
}

async function commandCalls(): Promise<Record<'evalsha' | 'hset' | 'publish', number>> {
  const info = await redis().info('commandstats')
  const calls = (command: string) =>
    Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(info)?.[1] ?? 0)
  return { evalsha: calls('evalsha'), hset: calls('hset'), publish: calls('publish') }
}
