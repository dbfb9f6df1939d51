import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import {
  flow,
  orElse,
  policy,
  RunFailed,
  type RunHandle,
  Skip,
  settled,
  succeeded,
  task,
} from '../../src/index.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { kindsOf, nodeOf, openScene, runEnd, stopReasonOf } from './scene.ts'

const any = z.unknown()
const take = task({ name: 'take', input: any }, (input) => input)
const double = task({ name: 'double', input: z.number() }, (n) => n * 2)
const add = task({ name: 'add', input: z.array(z.number()) }, (list) =>
  list.reduce((sum, n) => sum + n, 0),
)
/** Fails for odd numbers, and skips 0. */
const even = task({ name: 'even', input: z.object({ n: z.number() }), retry: 0 }, ({ n }) => {
  if (n === 0) throw new Skip('nothing')
  if (n % 2 === 1) throw new Error(`${n} is odd`)
  return n
})
const numbers = z.object({ numbers: z.array(z.number()) })

/** What the map of the run's flow failed with. */
async function failureOf(run: RunHandle): Promise<unknown> {
  return await run.result().catch((error: unknown) => error)
}

describeWithRedis('a map', () => {
  test('calls its task for each item, and gives the results in order', async () => {
    const sums = flow({ name: 'sums', input: numbers }, (input) => {
      const doubled = double.map(input.numbers)
      const placed = take.map(doubled, (n, position) => ({ n, position }))
      return { sum: add(doubled), placed }
    })
    const scene = openScene(onTestFinished)
    await scene.startWorker({ flows: [sums] })
    const run = await scene.producer.enqueue(sums, { numbers: [5, 7, 11] })
    expect(await run.result()).toEqual({
      sum: 46,
      placed: [
        { n: 10, position: 0 },
        { n: 14, position: 1 },
        { n: 22, position: 2 },
      ],
    })
    const { nodes } = await runEnd(run)
    expect(nodes.map(({ key }) => key)).toEqual([
      ...['double[]', 'double[0]', 'take[0]', 'double[1]', 'take[1]', 'double[2]', 'take[2]'],
      ...['double', 'take', 'add'],
    ])
    const none = await scene.producer.enqueue(sums, { numbers: [] })
    expect(await none.result()).toEqual({ sum: 0, placed: [] })
  })

  test('names its items, tells the handler, and keeps values from outside', async () => {
    const seen: string[] = []
    const greet = task(
      { name: 'greet', input: z.object({ word: z.string(), to: z.string() }) },
      ({ word, to }, ctx) => {
        seen.push(ctx.node)
        return `${word} ${to}`
      },
    )
    const people = z.object({ people: z.array(z.object({ id: z.string(), name: z.string() })) })
    const greetings = flow({ name: 'greetings', input: people }, (input) => {
      const word = take.with({ key: 'word' })('hello')
      const words = greet.map(input.people, ({ name }) => ({ word: word as never, to: name }), {
        key: ({ id }) => id,
      })
      return words
    })
    const scene = openScene(onTestFinished)
    await scene.startWorker({ flows: [greetings] })
    const run = await scene.producer.enqueue(greetings, {
      people: [
        { id: 'eu', name: 'Ada' },
        { id: 'us', name: 'Bob' },
      ],
    })
    expect(await run.result()).toEqual(['hello Ada', 'hello Bob'])
    expect(seen.sort()).toEqual(['greet[eu]', 'greet[us]'])
    expect(nodeOf(await runEnd(run), 'greet[us]').attempts).toBe(1)
  })

  test('retries an item alone', async () => {
    const calls: number[] = []
    const flaky = task(
      { name: 'flaky', input: z.number(), retry: policy.constant({ delay: 10, maxRetries: 2 }) },
      (n, ctx) => {
        calls.push(n)
        if (n === 2 && ctx.attempt < 3) throw new Error('not yet')
        return n
      },
    )
    const retried = flow({ name: 'retried', input: numbers }, (input) => flaky.map(input.numbers))
    const scene = openScene(onTestFinished)
    await scene.startWorker({ flows: [retried] })
    const run = await scene.producer.enqueue(retried, { numbers: [1, 2, 3] })
    expect(await run.result()).toEqual([1, 2, 3])
    expect(calls.sort()).toEqual([1, 2, 2, 2, 3])
    expect(kindsOf(await runEnd(run), 'flaky[1]')).toEqual(['error', 'error'])
  })

  test.each([
    [undefined, 'failed', 'upstream_failed'],
    [1, 'failed', 'upstream_failed'],
    [2, 'succeeded', 'succeeded'],
    [0.4, 'succeeded', 'succeeded'],
  ])(
    'that tolerates %s: the run of five items with two failures has %s',
    async (tolerate, state, group) => {
      const tolerant = flow({ name: 'tolerant', input: numbers }, (input) => {
        const result = even.map(
          input.numbers,
          (n) => ({ n }),
          tolerate === undefined ? {} : { tolerate },
        )
        take({ result })
      })
      const scene = openScene(onTestFinished)
      await scene.startWorker({ flows: [tolerant] })
      const run = await scene.producer.enqueue(tolerant, { numbers: [0, 1, 2, 3, 4] })
      const ended = await runEnd(run)
      expect(ended.state).toBe(state)
      expect(nodeOf(ended, 'even').state).toBe(group)
      expect(nodeOf(ended, 'even[3]')).toMatchObject({
        state: 'failed',
        forgiven: group === 'succeeded',
      })
      expect(nodeOf(ended, 'even[0]').state).toBe('skipped')
    },
  )

  test('tells how each item ended: settled, tolerated and succeeded', async () => {
    const told = flow({ name: 'told', input: numbers }, (input) => {
      const strict = even.map(input.numbers, (n) => ({ n }))
      const tolerant = even
        .with({ key: 'soft' })
        .map(input.numbers, (n) => ({ n }), { tolerate: 1 })
      const each = take.with({ key: 'each' }).map(tolerant, (one) => one.status)
      return {
        all: settled(strict),
        good: succeeded(tolerant),
        each,
        kept: orElse(add(strict), () => take({ n: 1 }) as never),
      }
    })
    const scene = openScene(onTestFinished)
    await scene.startWorker({ flows: [told] })
    const run = await scene.producer.enqueue(told, { numbers: [0, 1, 2] })
    expect(await run.result()).toMatchObject({
      all: [
        { status: 'skipped', error: null },
        { status: 'failed', error: { error: { message: '1 is odd' } } },
        { status: 'succeeded', value: 2 },
      ],
      good: [2],
      each: ['skipped', 'failed', 'succeeded'],
      kept: { n: 1 },
    })
  })

  test('leaves skipped items out of its list', async () => {
    const skipping = flow({ name: 'skipping', input: numbers }, (input) =>
      even.map(input.numbers, (n) => ({ n })),
    )
    const scene = openScene(onTestFinished)
    await scene.startWorker({ flows: [skipping] })
    const run = await scene.producer.enqueue(skipping, { numbers: [0, 2, 0, 4] })
    expect(await run.result()).toEqual([2, 4])
  })

  test('of a flow runs all of it for each item, maps inside included', async () => {
    const inner = flow({ name: 'inner', input: numbers }, (input) => {
      const doubled = double.map(input.numbers)
      const safe = orElse(even({ n: add(doubled) }), () => double.with({ key: 'plan' })(21))
      return { safe, doubled }
    })
    const outer = flow(
      { name: 'outer', input: z.object({ rows: z.array(z.array(z.number())) }) },
      (input) => inner.map(input.rows, (row) => ({ numbers: row })),
    )
    const scene = openScene(onTestFinished)
    await Promise.all([
      scene.startWorker({ flows: [outer] }),
      scene.startWorker({ flows: [outer] }),
    ])
    const run = await scene.producer.enqueue(outer, { rows: [[1, 2], [], [0.5]] })
    expect(await run.result()).toEqual([
      { safe: 6, doubled: [2, 4] },
      // Nothing to add up: `even` skips 0, and a skip is no failure.
      { doubled: [] },
      { safe: 42, doubled: [1] },
    ])
    const ended = await runEnd(run)
    expect(nodeOf(ended, 'inner[2]/even')).toMatchObject({ state: 'failed', forgiven: true })
    expect(nodeOf(ended, 'inner[0]/double[1]').state).toBe('succeeded')
  })

  test('reads a large group in pages, and large items', async () => {
    const big = task({ name: 'big', input: z.number() }, (n) => ({ n, text: 'x'.repeat(2_000) }))
    const count = task({ name: 'count', input: z.array(z.object({ n: z.number() })) }, (list) => [
      list.length,
      list[1_499]?.n,
    ])
    const many = flow({ name: 'many', input: numbers }, (input) => count(big.map(input.numbers)))
    const scene = openScene(onTestFinished)
    await scene.startWorker({ flows: [many] })
    const run = await scene.producer.enqueue(many, {
      numbers: Array.from({ length: 1_500 }, (_, i) => i),
    })
    expect(await run.result({ timeout: '60s' })).toEqual([1_500, 1_499])
  }, 90_000)

  test.each<[string, unknown, string]>([
    ['no array', 'ten', 'expected an array, got "ten"'],
    ['too many items', [1, 2, 3, 4], 'expected at most 3 items, got 4'],
    ['equal keys', ['a', 'b', 'a'], 'got "a" for the items 0 and 2'],
    ['a key that is no text', ['a', { b: 1 }], 'the key of item 1: expected a number, or a text'],
    ['a key with a bracket', ['a[b'], 'the key of item 0'],
  ])('fails as map_invalid for %s', async (_name, items, message) => {
    const wrong = flow({ name: 'wrong', input: z.object({ items: any }) }, (input) => {
      const listed = take.with({ key: 'list' })(input.items)
      return take.map(listed as never, (item) => item, {
        maxItems: 3,
        key: (item) => item as never,
      })
    })
    const scene = openScene(onTestFinished)
    await scene.startWorker({ flows: [wrong] })
    const run = await scene.producer.enqueue(wrong, { items })
    const failed = await failureOf(run)
    expect(failed).toBeInstanceOf(RunFailed)
    expect(String(failed)).toContain(message)
    const ended = await runEnd(run)
    expect(stopReasonOf(ended, 'take[]')).toBe('map_invalid')
    expect(nodeOf(ended, 'take').state).toBe('upstream_failed')
  })
})
