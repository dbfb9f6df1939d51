import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { flow, policy, settled, task } from '../../src/index.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { kindsOf, nodeOf, openScene, runEnd, stopReasonOf, TEST_TIMEOUT_MS } from './scene.ts'

function nested(levels: number): unknown {
  let value: unknown = 'bottom'
  for (let i = 0; i < levels; i++) value = { in: value }
  return value
}

function circular(): unknown {
  const loop: { list: unknown[] } = { list: [1] }
  loop.list.push(loop)
  return loop
}

class Money {
  readonly amount = 5
  readonly currency = 'EUR'
  toString(): string {
    return '5 EUR'
  }
}

const retry = policy.constant({ delay: 1, maxRetries: 5 })

const BAD: readonly { name: string; give: () => unknown; path: RegExp }[] = [
  { name: 'a BigInt', give: () => ({ total: [1, 2n] }), path: /^result\.total\[1\]: is a BigInt/ },
  { name: 'a cycle', give: circular, path: /^result\.list\[1\]: .*a cycle/ },
  {
    name: 'a toJSON that throws',
    give: () => ({
      when: {
        toJSON() {
          throw new Error('no')
        },
      },
    }),
    path: /^result\.when: has a toJSON\(\) that throws/,
  },
  {
    name: 'a getter that throws',
    give: () => ({
      user: {
        get name(): string {
          throw new Error('no')
        },
      },
    }),
    path: /^result\.user: has a property that throws/,
  },
  { name: 'a Map', give: () => ({ seen: new Map([[1, 2]]) }), path: /^result\.seen: is a Map/ },
  { name: 'a Set', give: () => new Set([1]), path: /^result: is a Set/ },
  { name: 'NaN', give: () => [0, Number.NaN], path: /^result\[1\]: is NaN/ },
  { name: 'Infinity', give: () => ({ a: Infinity }), path: /^result\.a: is Infinity/ },
  { name: '300 levels', give: () => nested(300), path: /nested more than 200 levels deep/ },
]

const GOOD: readonly { name: string; give: () => unknown; stored: unknown }[] = [
  { name: 'nothing', give: () => undefined, stored: null },
  { name: 'null', give: () => null, stored: null },
  { name: 'a function', give: () => () => 1, stored: null },
  { name: 'a symbol', give: () => Symbol('s'), stored: null },
  {
    name: 'functions and symbols inside',
    give: () => ({ f() {}, s: Symbol('s'), a: 1 }),
    stored: { a: 1 },
  },
  { name: 'a class instance', give: () => new Money(), stored: { amount: 5, currency: 'EUR' } },
  { name: 'a Date', give: () => new Date(0), stored: '1970-01-01T00:00:00.000Z' },
  { name: 'empty things', give: () => ({ a: [], o: {}, s: '' }), stored: { a: [], o: {}, s: '' } },
  { name: 'a frozen object', give: () => Object.freeze({ a: 1 }), stored: { a: 1 } },
  { name: '150 levels', give: () => nested(150), stored: nested(150) },
  { name: 'a lone surrogate', give: () => 'a\ud800b', stored: 'a\ud800b' },
  { name: 'large numbers', give: () => [2 ** 53 + 2, 1e300], stored: [2 ** 53 + 2, 1e300] },
  { name: 'newlines and pipes', give: () => 'a|b\nc:d,e', stored: 'a|b\nc:d,e' },
]

describeWithRedis('the result of a handler', () => {
  describe('that JSON can not carry', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test.for(BAD)('($name) fails the node once and names the path', async (row, context) => {
      const scene = openScene(context.onTestFinished)
      let executions = 0
      const bad = task({ name: 'bad', input: z.object({}), retry }, () => {
        executions++
        return row.give()
      })
      await scene.startWorker({ tasks: [bad] })
      const run = await scene.producer.enqueue(bad, {})
      const ended = await runEnd(run)

      expect(ended.state).toBe('failed')
      expect(kindsOf(ended, 'bad')).toEqual(['error'])
      expect(stopReasonOf(ended, 'bad')).toBe('not_serializable')
      const error = nodeOf(ended, 'bad').log[0]?.error
      expect(error?.name).toBe('SerializationError')
      expect(error?.message).toMatch(row.path)
      expect(executions).toBe(1)
    })
  })

  describe('that JSON can carry', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test.for(GOOD)('($name) is stored as JSON makes it', async ({ give, stored }, context) => {
      const scene = openScene(context.onTestFinished)
      const good = task({ name: 'good', input: z.object({}), retry }, () => give())
      await scene.startWorker({ tasks: [good] })
      const run = await scene.producer.enqueue(good, {})

      expect(await run.result({ timeout: '30s' })).toEqual(stored)
      expect(nodeOf(await runEnd(run), 'good').attempts).toBe(1)
    })
  })

  test('reaches its dependants unharmed when it is larger than a claim carries', async ({
    onTestFinished,
  }) => {
    const scene = openScene(onTestFinished)
    const large = task({ name: 'large', input: z.object({}) }, () => 'ü'.repeat(200_000))
    const measure = task(
      { name: 'measure', input: z.object({ s: z.string() }) },
      ({ s }) => s.length,
    )
    const sizes = flow({ name: 'sizes', input: z.object({}) }, () => {
      const text = large({})
      return measure({ s: text })
    })
    await scene.startWorker({ flows: [sizes] })
    const run = await scene.producer.enqueue(sizes, {})
    expect(await run.result({ timeout: '30s' })).toBe(200_000)
  })

  test('that can not be serialised is a failure that others can wait for', async ({
    onTestFinished,
  }) => {
    const scene = openScene(onTestFinished)
    const bad = task({ name: 'bad', input: z.object({}), retry }, (): unknown => ({ n: 1n }))
    const tell = task({ name: 'tell', input: z.object({ s: z.string() }) }, ({ s }) => s)
    const told = flow({ name: 'told', input: z.object({}) }, () =>
      tell({ s: settled(bad({})).status }),
    )
    await scene.startWorker({ flows: [told] })
    const run = await scene.producer.enqueue(told, {})
    const ended = await runEnd(run)
    expect(nodeOf(ended, 'tell').state).toBe('succeeded')
    expect(ended.state).toBe('failed')
  })
})
