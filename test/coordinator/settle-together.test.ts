import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import type { SettleAnswer } from '../../src/coordinator/answers.ts'
import { connectRedis, type RedisConnection } from '../../src/coordinator/connection.ts'
import { type GoOn, type Outcome, STOP } from '../../src/coordinator/moves.ts'
import { describeWithServer, startServer } from '../cli/redis/fixtures.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import {
  type Active,
  Driver,
  failure,
  interruption,
  noHandler,
  parkedFor,
  parkedForLock,
  retryIn,
  settledAnswer,
  skip,
  success,
  useRedis,
} from './driver.ts'
import { node } from './graphs.ts'

const redis = useRedis()
const MINUTE = 60_000
const MEMBERS = ['a', 'b', 'c']

/** One delivery holds a, b and c, which run. */
async function company(connection = redis()): Promise<{ driver: Driver; active: Active }> {
  const nodes = [
    ...MEMBERS.map((key) => node(key)),
    node('join', MEMBERS),
    node('any', ['a', 'b'], { trigger: 'any_failed_fast' }),
    node('after', ['c']),
    node('late', ['b'], { delayMs: 5_000 }),
  ]
  const driver = new Driver(connection, nodes, { grain: 3 })
  return { driver, active: await driver.openGranted({ free: 3 }) }
}

const goOn: GoOn = { place: 0, grain: 2, slots: 2 }

type Ended = readonly [key: string, outcome: Outcome, attempt?: number]

/** Settles in one tick, so in one move. */
async function together(
  { driver, active }: { driver: Driver; active: Active },
  ended: readonly Ended[],
  then = goOn,
): Promise<PromiseSettledResult<SettleAnswer>[]> {
  const run = await driver.openedRun()
  return await Promise.allSettled(
    ended.map(([key, outcome, attempt = 1]) => {
      const index = driver.indexOf(key)
      return driver.coordinator.settle(active.delivery, run, index, attempt, outcome, then)
    }),
  )
}

function answersOf(results: readonly PromiseSettledResult<SettleAnswer>[]): SettleAnswer[] {
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason
    return result.value
  })
}

function members(outcomes: readonly Outcome[]): Ended[] {
  return outcomes.map((outcome, i) => [MEMBERS[i] ?? '', outcome])
}

/** How often a server has made a command, also within scripts. */
async function callsOf(connection: RedisConnection, command: string): Promise<number> {
  const stats = await connection.info('commandstats')
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
}

describeWithServer('attempts of one delivery that are settled in one tick', () => {
  test('are read and written as one', async () => {
    const connection = connectRedis((await startServer()).url, 'patient')
    onTestFinished(() => connection.disconnect())
    const scene = await company(connection)
    await connection.config('RESETSTAT')
    answersOf(await together(scene, members([success(), success(), success()])))
    // The results, and the run.
    expect(await callsOf(connection, 'hset')).toBe(2)
    expect(await callsOf(connection, 'publish')).toBe(1)
  })
})

describeWithRedis('attempts of one delivery that are settled in one tick', () => {
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
      parkedForLock('k', MINUTE, 0),
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
        const atOnce = answersOf(await together(other, members(outcomes)))
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
    const { driver } = scene
    await scene.active.settle('a', success())
    const results = await together(scene, [
      ['b', success()],
      ['c', success()],
    ])
    const granted = answersOf(results).flatMap((answer) => settledAnswer(answer).grants)
    expect(granted.map(({ index }) => driver.keyOf(index))).toEqual(['join', 'after'])
    expect(await driver.leftovers()).not.toContain(`w${driver.indexOf('join')}`)
  })

  test('do not touch one another when one is refused', async () => {
    const scene = await company()
    const { driver, active } = scene
    const results = await together(scene, [
      ['a', success()],
      ['b', success(), 2],
      ['c', success()],
    ])
    expect(answersOf(results)).toMatchObject([
      { status: 'settled', rowLeft: 'more' },
      { status: 'refused', reason: 'behind' },
      { status: 'settled', rowLeft: 'more' },
    ])
    expect(await driver.states()).toMatchObject({ a: 'succeeded', b: 'running', c: 'succeeded' })
    expect(await active.settle('b')).toMatchObject({ status: 'settled' })
  })

  test('do not touch one another when one raises an error', async () => {
    const scene = await company()
    const { driver } = scene
    await redis().set(driver.keys.log(driver.runId), 'no hash')
    const results = await together(scene, [
      ['a', success()],
      ['b', failure()],
      ['c', success()],
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    await redis().del(driver.keys.log(driver.runId))
    expect(await driver.states()).toMatchObject({ a: 'succeeded', b: 'running', c: 'succeeded' })
    expect(await redis().hkeys(driver.keys.out(driver.runId))).toEqual(['0', '2'])
  })

  test('are counted once when one of them is sent twice', async () => {
    const scene = await company()
    const { driver } = scene
    const [first, repeated] = answersOf(
      await together(
        scene,
        [
          ['a', success()],
          ['a', success(2)],
        ],
        STOP,
      ),
    )
    expect(repeated).toEqual(first)
    expect(await redis().hget(driver.keys.out(driver.runId), '0')).toBe('"done"')
    expect(await driver.nodesLeft()).toBe(driver.graph.graph.nodes.length - 1)
  })

  test('are all refused when the run was cancelled', async () => {
    const scene = await company()
    await scene.driver.coordinator.cancel(scene.driver.runId)
    const results = await together(scene, members([success(), success(), success()]))
    expect(answersOf(results)).toEqual(
      MEMBERS.map(() => ({ status: 'refused', reason: 'cancelled' })),
    )
  })

  test('end the run with the last', async () => {
    const driver = new Driver(redis(), [node('a'), node('b'), node('c')], { grain: 3 })
    const active = await driver.openGranted({ free: 3 })
    const outcomes = [success(), failure('it broke'), success()]
    const answers = answersOf(await together({ driver, active }, members(outcomes)))
    expect(answers).toMatchObject([
      { runEnd: '', rowLeft: 'more' },
      { runEnd: '', rowLeft: 'more' },
      { runEnd: 'failed', rowLeft: 'failed', lastLogLine: expect.stringContaining('it broke') },
    ])
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
    .filter(({ state }) => state !== '' && !'YRTWHBOL'.includes(state))
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
