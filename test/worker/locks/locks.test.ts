import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { Coordinator } from '../../../src/coordinator/coordinator.ts'
import { ShardKeys } from '../../../src/coordinator/keys.ts'
import { SharedLimits } from '../../../src/coordinator/shared-limits.ts'
import { flow, policy, task } from '../../../src/index.ts'
import { describeWithRedis } from '../../setup/namespace.ts'
import {
  eventually,
  kindsOf,
  newGate,
  nodeOf,
  openScene,
  runEnd,
  runWith,
  TEST_TIMEOUT_MS,
} from '../scene.ts'
import { Turns } from './turns.ts'

const none = z.object({})
const numbered = z.object({ n: z.number() })

describeWithRedis('tasks with one lock', () => {
  describe('in several workers', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    // The leases last 15 s: if the next were not called, they would wait for one after the other.
    test('run one at a time, all of them, without waiting for their looks', {
      timeout: 240_000,
    }, async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const turns = new Turns()
      const count = task({ name: 'count', input: numbered, lock: 'one' }, ({ n }) =>
        turns.take(n, () => sleep(1)),
      )
      for (let i = 0; i < 3; i++) await scene.startWorker({ tasks: [count] })
      const startedAt = performance.now()
      const runs = await Promise.all(
        Array.from({ length: 200 }, (_, n) => scene.producer.enqueue(count, { n })),
      )
      for (const run of runs) await run.result({ timeout: '200s' })
      console.log(`200 tasks under one lock: ${Math.round(performance.now() - startedAt)} ms`)
      expect(turns.most).toBe(1)
      expect(new Set(turns.order).size).toBe(200)
      expect(turns.order).toHaveLength(200)
    })

    test('run in the order in which they came, and hold no slot meanwhile', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      const turns = new Turns()
      const gate = newGate()
      const count = task({ name: 'count', input: numbered, lock: 'one' }, ({ n }) =>
        turns.take(n, () => gate.opened),
      )
      const other = task({ name: 'other', input: none }, () => 'served')
      for (let i = 0; i < 2; i++) {
        await scene.startWorker({ tasks: [count, other], queues: { default: { concurrency: 1 } } })
      }
      const first = await scene.producer.enqueue(count, { n: 0 })
      await eventually(() => expect(turns.order).toEqual([0]))
      const runs = [first]
      for (let n = 1; n < 8; n++) {
        const run = await scene.producer.enqueue(count, { n })
        const waiting = nodeOf(await runWith(run, 'count', 'waiting'), 'count')
        expect(waiting).toMatchObject({ waitingFor: 'lock', waitingForLock: 'one', attempts: 0 })
        runs.push(run)
      }
      const served = await scene.producer.enqueue(other, {})
      expect(await served.result({ timeout: '30s' })).toBe('served')
      gate.open()
      for (const run of runs) await run.result({ timeout: '30s' })
      expect(turns.order).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
      expect(turns.most).toBe(1)
      for (const run of runs) {
        const ended = nodeOf(await runEnd(run), 'count')
        expect(ended).toMatchObject({ attempts: 1, retriesUsed: 0, crashes: 0, log: [] })
      }
    })

    test('get by the ones that were cancelled, or paused, while they waited', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      const turns = new Turns()
      const gate = newGate()
      const count = task({ name: 'count', input: numbered, lock: 'one' }, ({ n }) =>
        turns.take(n, () => gate.opened),
      )
      await scene.startWorker({ tasks: [count] })
      const runs = []
      for (let n = 0; n < 6; n++) {
        const run = await scene.producer.enqueue(count, { n })
        await runWith(run, 'count', n === 0 ? 'running' : 'waiting')
        runs.push(run)
      }
      const settings = { retention: { succeededMs: 1, failedMs: 1 }, maxCrashes: 3 }
      const coordinator = new Coordinator(scene.redis, new ShardKeys(scene.namespace, 0), settings)
      for (const run of runs.slice(1, 4)) await coordinator.cancel(run.id)
      const [first, , , , paused, last] = runs
      if (!first || !paused || !last) throw new Error('six runs were made')
      await coordinator.pause(paused.id)
      gate.open()
      await last.result({ timeout: '30s' })
      expect(turns.order).toEqual([0, 5])
    })
  })
})

describeWithRedis('the key of a lock', () => {
  describe('is', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test('made of the parsed input by a function of the task', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const turns = new Map([1, 2].map((account) => [account, new Turns()]))
      const both = newGate()
      const input = z.object({ account: z.string().transform(Number), n: z.number() })
      const book = task(
        { name: 'book', input, lock: ({ account }) => `account-${account}` },
        ({ account, n }) =>
          turns.get(account)?.take(n, async () => {
            if ([...turns.values()].every(({ order }) => order.length > 0)) both.open()
            await both.opened
          }),
      )
      await scene.startWorker({ tasks: [book] })
      const runs = await Promise.all(
        Array.from({ length: 10 }, (_, n) =>
          scene.producer.enqueue(book, { account: n % 2 ? '1' : '02', n }),
        ),
      )
      for (const run of runs) await run.result({ timeout: '30s' })
      for (const { most, order } of turns.values()) {
        expect(most).toBe(1)
        expect(order).toHaveLength(5)
      }
    })

    test('that of the node, which is data, before that of the task', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const seen = new Map<string, string | null>()
      const retry = policy.constant({
        delay: 1,
        when: ({ node, lock }) => {
          seen.set(node, lock)
          return false
        },
      })
      const fails = task({ name: 'fails', input: none, lock: () => 'of the task', retry }, () => {
        throw new Error('down')
      })
      const free = task({ name: 'free', input: none, retry }, () => {
        throw new Error('down')
      })
      const locks = flow({ name: 'locks', input: none }, () => {
        fails({})
        fails.with({ key: 'own', lock: 'of the node' })({})
        free({})
      })
      await scene.startWorker({ flows: [locks] })
      await runEnd(await scene.producer.enqueue(locks, {}))
      expect(Object.fromEntries(seen)).toEqual({
        fails: 'of the task',
        own: 'of the node',
        free: null,
      })
    })

    test.each<[string, () => unknown, string]>([
      ['an empty text', () => '', 'expected a lock\'s key: 1 to 256 characters, got ""'],
      ['a number', () => 7, "expected a lock's key: 1 to 256 characters, got 7"],
      ['a promise', async () => 'a', "expected a lock's key: 1 to 256 characters, got"],
      ['too long', () => 'x'.repeat(257), "expected a lock's key: 1 to 256 characters, got"],
    ])('refused if its function gives %s: the attempt fails', async (_name, lock, message) => {
      let cleanUp = async () => {}
      const scene = openScene((clean) => {
        cleanUp = clean
      })
      let calls = 0
      const book = task(
        // @ts-expect-error what JavaScript users may write
        { name: 'book', input: none, lock, retry: policy.constant({ delay: 1, maxRetries: 1 }) },
        () => {
          calls += 1
        },
      )
      await scene.startWorker({ tasks: [book] })
      const ended = await runEnd(await scene.producer.enqueue(book, {}))
      await cleanUp()
      expect(kindsOf(ended, 'book')).toEqual(['error', 'error'])
      expect(nodeOf(ended, 'book').log[0]?.error).toMatchObject({ name: 'TypeError' })
      const text = nodeOf(ended, 'book').log[0]?.error?.message
      expect(text).toContain(`lock(input) of the task book: ${message}`)
      expect(calls).toBe(0)
    })

    test('not needed if its function throws: the policy decides about the error', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      let calls = 0
      const lock = () => {
        calls += 1
        if (calls < 3) throw Object.assign(new Error('no shard'), { name: 'NoShard' })
        return 'found'
      }
      const retry = policy.constant({ delay: 1, maxRetries: 5, retryOn: ['NoShard'] })
      const book = task({ name: 'book', input: none, lock, retry }, () => 'booked')
      await scene.startWorker({ tasks: [book] })
      const run = await scene.producer.enqueue(book, {})
      expect(await run.result({ timeout: '30s' })).toBe('booked')
      expect(nodeOf(await runEnd(run), 'book')).toMatchObject({ attempts: 3, retriesUsed: 2 })
    })
  })
})

describeWithRedis('a lock', () => {
  describe('is given back', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test('by an attempt that waits for its retry', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const retry = policy.constant({ delay: '1h' })
      const first = task({ name: 'first', input: none, lock: 'one', retry }, () => {
        throw new Error('down')
      })
      const second = task({ name: 'second', input: none, lock: 'one' }, () => 'ran')
      await scene.startWorker({ tasks: [first, second] })
      await runWith(await scene.producer.enqueue(first, {}), 'first', 'retrying')
      const run = await scene.producer.enqueue(second, {})
      expect(await run.result({ timeout: '30s' })).toBe('ran')
      await eventually(async () => {
        expect(await scene.redis.keys(`${scene.prefix}/lock*`)).toEqual([])
      })
    })

    test('to the next node of the same run, which goes on under it', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const turns = new Turns()
      const step = task({ name: 'step', input: numbered, lock: 'one' }, async ({ n }) => {
        await turns.take(n, () => sleep(1))
        return { n: n + 1 }
      })
      const chain = flow({ name: 'chain', input: numbered }, (input) =>
        step(step(step(step({ n: input.n })))),
      )
      await scene.startWorker({ flows: [chain] })
      const runs = await Promise.all([0, 10, 20].map((n) => scene.producer.enqueue(chain, { n })))
      for (const [i, run] of runs.entries()) {
        expect(await run.result({ timeout: '30s' })).toEqual({ n: 10 * i + 4 })
      }
      expect(turns.most).toBe(1)
      expect(turns.order).toHaveLength(12)
    })

    test('while a breaker makes its attempt wait', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const breaker = { key: 'service', failures: 1, openFor: '1h' } as const
      const retry = policy.none({ breaker })
      const call = task({ name: 'call', input: none, lock: 'one', retry }, () => {
        throw new Error('down')
      })
      const local = task({ name: 'local', input: none, lock: 'one' }, () => 'ran')
      await scene.startWorker({ tasks: [call, local] })
      await runEnd(await scene.producer.enqueue(call, {}))
      const waiting = await runWith(await scene.producer.enqueue(call, {}), 'call', 'waiting')
      expect(nodeOf(waiting, 'call').waitingFor).toBe('breaker')
      const run = await scene.producer.enqueue(local, {})
      expect(await run.result({ timeout: '30s' })).toBe('ran')
    })

    test('by items of a map, one after the other', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const turns = new Turns()
      const step = task({ name: 'step', input: numbered }, ({ n }) => turns.take(n, () => sleep(1)))
      const fan = flow({ name: 'fan', input: z.object({ items: z.array(numbered) }) }, (input) =>
        step.with({ lock: 'fan' }).map(input.items),
      )
      for (let i = 0; i < 2; i++) await scene.startWorker({ flows: [fan] })
      const items = Array.from({ length: 40 }, (_, n) => ({ n }))
      const run = await scene.producer.enqueue(fan, { items })
      await run.result({ timeout: '60s' })
      expect(turns.most).toBe(1)
      expect(new Set(turns.order).size).toBe(40)
    })
  })

  test('that is lost aborts its attempt, which is made again at no cost', {
    timeout: TEST_TIMEOUT_MS,
  }, async ({ onTestFinished }) => {
    const scene = openScene(onTestFinished)
    let calls = 0
    const slow = task({ name: 'slow', input: none, lock: 'one' }, async (_, { signal }) => {
      calls += 1
      if (calls > 1) return 'done'
      await scene.redis.hset(`${scene.prefix}/lock:one`, { h: 'somebody:0:1', t: '' })
      await new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('stopped half-way')))
      })
      return 'not reached'
    })
    await scene.startWorker({ tasks: [slow], leaseDuration: '3s', stalledInterval: '1s' })
    const run = await scene.producer.enqueue(slow, {})
    expect(await run.result({ timeout: '60s' })).toBe('done')
    const node = nodeOf(await runEnd(run), 'slow')
    expect(node).toMatchObject({ attempts: 2, retriesUsed: 0, crashes: 0 })
    expect(node.log[0]).toMatchObject({
      kind: 'interrupted',
      error: { name: 'AttemptAborted', message: 'the lock one was lost' },
    })
  })

  describe('whose holder could not', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    const short = { leaseDuration: '3s', stalledInterval: '1s' } as const
    const stranger = { runId: 'gone', index: 0, attempt: 1 }
    const waiter = (turns: Turns) =>
      task({ name: 'waiter', input: numbered, lock: 'one' }, ({ n }) =>
        turns.take(n, () => sleep(1)),
      )

    test('tell the next goes to it when it looks by itself', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const turns = new Turns()
      const wait = waiter(turns)
      await scene.startWorker({ tasks: [wait], ...short })
      const limits = new SharedLimits(scene.redis, new ShardKeys(scene.namespace, 0), 3_000)
      await limits.takeLock('one', stranger)
      const runs = []
      for (let n = 0; n < 4; n++) {
        const run = await scene.producer.enqueue(wait, { n })
        await runWith(run, 'waiter', 'waiting')
        runs.push(run)
      }
      expect(await limits.releaseLock('one', stranger)).toMatchObject({ runId: runs[0]?.id })
      for (const run of runs) await run.result({ timeout: '60s' })
      expect(turns.order.toSorted()).toEqual([0, 1, 2, 3])
    })

    test('add the job of the next goes to it when its old job comes', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      const turns = new Turns()
      const wait = waiter(turns)
      await scene.startWorker({ tasks: [wait], ...short })
      const keys = new ShardKeys(scene.namespace, 0)
      const limits = new SharedLimits(scene.redis, keys, 3_000)
      await limits.takeLock('one', stranger)
      const run = await scene.producer.enqueue(wait, { n: 0 })
      await runWith(run, 'waiter', 'waiting')
      const next = await limits.releaseLock('one', stranger)
      const settings = { retention: { succeededMs: 1, failedMs: 1 }, maxCrashes: 3 }
      const coordinator = new Coordinator(scene.redis, keys, settings)
      expect(await coordinator.wake(run.id, 0, next?.attempt ?? 0)).toMatchObject({
        toAdd: [{ ticket: 1 }],
      })
      expect(turns.order).toEqual([])
      await run.result({ timeout: '60s' })
      expect(turns.order).toEqual([0])
    })
  })

  test('lasts as long as its handler runs', { timeout: TEST_TIMEOUT_MS }, async ({
    onTestFinished,
  }) => {
    const scene = openScene(onTestFinished)
    const turns = new Turns()
    const slow = task({ name: 'slow', input: numbered, lock: 'one' }, ({ n }) =>
      turns.take(n, () => sleep(n === 0 ? 6_000 : 1)),
    )
    for (let i = 0; i < 2; i++) {
      await scene.startWorker({ tasks: [slow], leaseDuration: '2s', stalledInterval: '1s' })
    }
    const first = await scene.producer.enqueue(slow, { n: 0 })
    await runWith(first, 'slow', 'running')
    const others = await Promise.all([1, 2, 3].map((n) => scene.producer.enqueue(slow, { n })))
    for (const run of [first, ...others]) await run.result({ timeout: '60s' })
    expect(turns.most).toBe(1)
    expect(turns.order[0]).toBe(0)
    expect(nodeOf(await runEnd(first), 'slow')).toMatchObject({ attempts: 1, log: [] })
  })
})
