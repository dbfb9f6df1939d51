import { expect, test } from 'vitest'
import { describeWithRedis } from '../setup/namespace.ts'
import { Driver, retryIn, useRedis } from './driver.ts'
import { chain } from './graphs.ts'

const MAX_LOG = 524_288

describeWithRedis('the log of a node', () => {
  const redis = useRedis()
  const line = (attempt: number, kind = 'error') =>
    `${attempt}|${kind}|${attempt}|${attempt}|{"error":{"message":"${'x'.repeat(1_000)}"}}`

  /** A node whose log is these lines, after one more attempt of it has failed. */
  async function afterOneMore(lines: readonly string[]) {
    const driver = new Driver(redis(), chain(1))
    const first = await driver.openGranted()
    await redis().hset(driver.keys.log(driver.runId), '0', lines.join('\n'))
    await first.settle('k0', retryIn(60_000, null, 'the last'))
    const log = await driver.coordinator.readNodeLog(driver.runId, 0, first.answer.openedAt)
    const size = await redis().hstrlen(driver.keys.log(driver.runId), '0')
    return { log, size }
  }

  test('keeps every attempt as long as it is not large', async () => {
    const { log } = await afterOneMore(Array.from({ length: 400 }, (_, i) => line(i + 1)))
    expect(log).toHaveLength(401)
  })

  test('loses its older half when it is, but neither its beginning nor its end', async () => {
    const { log, size } = await afterOneMore(Array.from({ length: 600 }, (_, i) => line(i + 1)))
    expect(size).toBeLessThan(MAX_LOG)
    expect(log[0]).toMatchObject({ attempt: 1 })
    expect(log.at(-1)).toMatchObject({ error: { message: 'the last' } })
    const kept = log.slice(1, -1).map(({ attempt }) => attempt)
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, i) => 601 - kept.length + i))
    expect(kept.length).toBeGreaterThan(200)
  })

  test.each([
    ['far back', 100],
    ['at the cut', 600 - 245],
    ['near the end', 590],
  ])('keeps the last retry by hand, after which limits count: %s', async (_, at) => {
    const lines = Array.from({ length: 600 }, (_, i) => line(i + 1))
    lines.splice(50, 0, line(0, 'retried'))
    lines.splice(at, 0, line(0, 'retried'))
    const { log, size } = await afterOneMore(lines)
    expect(size).toBeLessThan(MAX_LOG)
    const last = log.findLastIndex(({ kind }) => kind === 'retried')
    expect(log[last + 1]).toMatchObject({ attempt: at })
  })

  test.each(Array.from({ length: 12 }, (_, i) => 338 + i * 2))(
    'keeps it wherever the cut is: %s lines before it',
    async (at) => {
      const lines = Array.from({ length: 600 }, (_, i) => line(i + 1))
      lines.splice(at, 0, line(0, 'retried'))
      const { log } = await afterOneMore(lines)
      const last = log.findLastIndex(({ kind }) => kind === 'retried')
      expect(log[last + 1]).toMatchObject({ attempt: at + 1 })
    },
  )

  test.each([
    ['far back', 100, [], 'late'],
    ['after the last retry by hand', 100, [50], 'late'],
    ['right after the last retry by hand', 100, [100], 'late'],
    ['before the last retry by hand', 100, [200], undefined],
    ['at the very beginning', 0, [], 'late'],
    ['in the newer half', 500, [], 'late'],
  ])('keeps the last decision about the lock: %s', async (_, at, retried, kept) => {
    const error = { name: 'Error', names: ['Error'], message: 'no, {"a":1,"lock":"not one"}' }
    const deciding = (attempt: number, lock: string | null) => {
      const decision = { action: 'retry', rule: 'policy', delayMs: 0, lock }
      return `${attempt}|error|${attempt}|${attempt}|${JSON.stringify({ error, decision })}`
    }
    const lines = Array.from({ length: 600 }, (_, i) => line(i + 1))
    lines[at] = deciding(at + 1, 'late')
    if (at > 10) lines[10] = deciding(11, 'early')
    lines[300] = `301|error|1|1|${JSON.stringify({ error })}`
    for (const before of retried) lines.splice(before, 0, line(0, 'retried'))
    const { log, size } = await afterOneMore(lines)
    expect(size).toBeLessThan(MAX_LOG)
    const since = log.slice(log.findLastIndex(({ kind }) => kind === 'retried') + 1)
    const locks = since.flatMap(({ decision }) =>
      decision?.action === 'retry' ? [decision.lock] : [],
    )
    expect(locks.findLast((lock) => lock !== undefined)).toBe(kept)
    const numbers = log.map(({ attempt }) => attempt).filter((attempt) => attempt > 0)
    expect(new Set(numbers).size).toBe(numbers.length - 1)
  })

  test('keeps a failure that is larger than all of it', async () => {
    const huge = `1|error|1|1|{"error":{"message":"${'y'.repeat(MAX_LOG)}"}}`
    const { log } = await afterOneMore([huge])
    expect(log.map(({ attempt, error }) => [attempt, error?.message.length])).toEqual([
      [1, MAX_LOG],
      [1, 8],
    ])
  })
})
