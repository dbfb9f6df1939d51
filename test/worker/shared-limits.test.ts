import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { flow, type Hooks, is, NonRetryable, policy, task } from '../../src/index.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import {
  eventually,
  kindsOf,
  newGate,
  nodeOf,
  openScene,
  runEnd,
  runWith,
  TEST_TIMEOUT_MS,
} from './scene.ts'

const none = z.object({})
const numbered = z.object({ n: z.number() })

describeWithRedis('a task with a breaker', () => {
  describe('while the service is down', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test('waits at no cost and without a slot, and runs when a probe has succeeded', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      const service: { isUp: boolean } = { isUp: false }
      let calls = 0
      const call = task(
        {
          name: 'call',
          input: none,
          retry: policy.constant({
            delay: 10,
            maxRetries: 3,
            breaker: { key: 'service', failures: 2, openFor: '2s' },
          }),
        },
        () => {
          calls += 1
          if (!service.isUp) throw new Error('down')
          return 'answer'
        },
      )
      const other = task({ name: 'other', input: none }, () => 'served')
      await scene.startWorker({ tasks: [call, other], queues: { default: { concurrency: 1 } } })
      const run = await scene.producer.enqueue(call, {})
      const waiting = await runWith(run, 'call', 'waiting')
      expect(calls).toBe(2)
      const node = nodeOf(waiting, 'call')
      expect(node).toMatchObject({ waitingFor: 'breaker', attempts: 2, retriesUsed: 2 })
      expect((node.dueAt ?? 0) - (node.waitingSince ?? 0)).toBeGreaterThan(1_500)
      expect(waiting.state).toBe('waiting')
      const slot = await scene.producer.enqueue(other, {})
      expect(await slot.result({ timeout: '30s' })).toBe('served')

      service.isUp = true
      expect(await run.result({ timeout: '30s' })).toBe('answer')
      expect(calls).toBe(3)
      const ended = await runEnd(run)
      expect(kindsOf(ended, 'call')).toEqual(['error', 'error'])
      expect(nodeOf(ended, 'call')).toMatchObject({ attempts: 3, retriesUsed: 2 })
    })

    test('never starts its first attempt, and keeps it', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const breaker = { key: 'service', failures: 1, openFor: '1h' } as const
      const call = task({ name: 'call', input: none, retry: policy.none({ breaker }) }, () => {
        throw new Error('down')
      })
      const told: string[] = []
      const hooks: Hooks = {
        onAttemptStarted: ({ attempt }) => told.push(`started ${attempt}`),
        onAttemptEnded: ({ attempt }) => told.push(`ended ${attempt}`),
        onAttemptParked: ({ attempt, waitsFor }) => told.push(`parked ${attempt} ${waitsFor}`),
      }
      await scene.startWorker({ tasks: [call], hooks })
      await runEnd(await scene.producer.enqueue(call, {}))
      const run = await scene.producer.enqueue(call, {})
      const waiting = await runWith(run, 'call', 'waiting')
      await eventually(() =>
        expect(told).toEqual(['started 1', 'ended 1', 'started 1', 'parked 1 breaker']),
      )
      expect(nodeOf(waiting, 'call')).toMatchObject({
        waitingFor: 'breaker',
        attempts: 0,
        startedAt: null,
        log: [],
      })
    })

    test('holds a node whose condition was true, and runs it when it may', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      const breaker = { key: 'service', failures: 1, openFor: '1s' } as const
      const retry = policy.none({ breaker })
      const fail = task({ name: 'fail', input: none, retry }, () => {
        throw new Error('down')
      })
      const call = task({ name: 'call', input: none, retry }, () => 'answer')
      const branch = flow({ name: 'branch', input: z.object({ isWanted: z.boolean() }) }, (input) =>
        call.with({ if: is(input.isWanted, true) })({}),
      )
      await scene.startWorker({ tasks: [fail], flows: [branch] })
      await runEnd(await scene.producer.enqueue(fail, {}))
      const run = await scene.producer.enqueue(branch, { isWanted: true })
      const waiting = await runWith(run, 'call', 'waiting')
      expect(nodeOf(waiting, 'call')).toMatchObject({ waitingFor: 'breaker', attempts: 0 })
      expect(await run.result({ timeout: '30s' })).toBe('answer')
      expect(nodeOf(await runEnd(run), 'call')).toMatchObject({ attempts: 1, log: [] })
    })

    test('is not opened by failures that the policy or the error calls permanent', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      const breaker = { key: 'service', failures: 1, openFor: '1h' } as const
      const retry = policy.constant({ delay: 1, abortOn: ['Gone'], breaker })
      const call = task({ name: 'call', input: numbered, retry }, ({ n }) => {
        if (n === 1) throw new NonRetryable('declined')
        if (n === 2) throw Object.assign(new Error('gone'), { name: 'Gone' })
        return n
      })
      await scene.startWorker({ tasks: [call] })
      for (const n of [1, 2]) await runEnd(await scene.producer.enqueue(call, { n }))
      const run = await scene.producer.enqueue(call, { n: 3 })
      expect(await run.result({ timeout: '30s' })).toBe(3)
    })

    test('lets one probe through at a time, also when it takes longer than its lease', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      const gate = newGate()
      let calls = 0
      const breaker = { key: 'service', failures: 1, openFor: 200, releasePerSecond: 100 } as const
      const retry = policy.constant({ delay: 1, maxRetries: 1, breaker })
      const call = task({ name: 'call', input: none, retry }, async () => {
        calls += 1
        if (calls === 1) throw new Error('down')
        if (calls === 2) await gate.opened
        return calls
      })
      await scene.startWorker({ tasks: [call], leaseDuration: '600ms', stalledInterval: '200ms' })
      const first = await scene.producer.enqueue(call, {})
      await eventually(() => expect(calls).toBe(2))
      const others = await Promise.all([1, 2, 3].map(() => scene.producer.enqueue(call, {})))
      // Several leases, and several looks of each that waits.
      await new Promise((resolve) => setTimeout(resolve, 3_000))
      expect(calls).toBe(2)
      gate.open()
      for (const run of [first, ...others]) await run.result({ timeout: '30s' })
      expect(calls).toBe(5)
    })
  })
})

describeWithRedis('a task with a breaker that Redis gives an error for', () => {
  describe('loses no', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    const breaker = { key: 'broken' } as const
    const BROKEN = '/breaker:broken'

    test('result, if it is so after the handler', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      let calls = 0
      const retry = policy.none({ breaker })
      const call = task({ name: 'call', input: none, retry }, async () => {
        calls += 1
        await scene.redis.set(scene.prefix + BROKEN, 'no hash')
        return calls
      })
      await scene.startWorker({ tasks: [call] })
      const run = await scene.producer.enqueue(call, {})
      expect(await run.result({ timeout: '30s' })).toBe(1)
      expect(nodeOf(await runEnd(run), 'call')).toMatchObject({ attempts: 1, log: [] })
    })

    test('attempt, if it is so before: the grant goes back, and no handler is called', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      await scene.redis.set(scene.prefix + BROKEN, 'no hash')
      let calls = 0
      const retry = policy.none({ breaker })
      const call = task({ name: 'call', input: none, retry }, () => {
        calls += 1
        return calls
      })
      await scene.startWorker({ tasks: [call] })
      const run = await scene.producer.enqueue(call, {})
      await eventually(async () => {
        const read = await run.read()
        expect(read && kindsOf(read, 'call')).toContain('interrupted')
      })
      expect(calls).toBe(0)
      await scene.redis.del(scene.prefix + BROKEN)
      expect(await run.result({ timeout: '30s' })).toBe(1)
      expect(nodeOf(await runEnd(run), 'call')).toMatchObject({ retriesUsed: 0, crashes: 0 })
    })
  })
})

describeWithRedis('a task whose rules have a breaker each', () => {
  describe('asks that of the rule that decides', {
    concurrent: true,
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    const named = (name: string) => Object.assign(new Error(name), { name })

    test('about the failure before: a first attempt is under none', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const breaker = { key: 'down', failures: 1, openFor: '1h' } as const
      const down = policy.constant({ delay: 1, breaker })
      const retry = policy.rules([{ on: ['Down'], use: down }, { use: policy.none() }])
      const call = task({ name: 'call', input: numbered, retry }, ({ n }) => {
        if (n === 1) throw named('Down')
        return n
      })
      await scene.startWorker({ tasks: [call] })
      const run = await scene.producer.enqueue(call, { n: 1 })
      const waiting = await runWith(run, 'call', 'waiting')
      // The failure of its first attempt was not counted, that of its first retry opened the breaker.
      expect(nodeOf(waiting, 'call')).toMatchObject({ waitingFor: 'breaker', attempts: 2 })
      const other = await scene.producer.enqueue(call, { n: 2 })
      expect(await other.result({ timeout: '30s' })).toBe(2)
    })

    test('and counts no failure that another rule decides about', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const breaker = { key: 'other', failures: 1, openFor: '1h' } as const
      const down = policy.constant({ delay: 1, breaker })
      const retry = policy.rules([
        { on: ['Down'], use: down },
        { use: policy.constant({ delay: 1 }) },
      ])
      const failures = ['Down', 'Other', 'Down']
      const call = task({ name: 'call', input: none, retry }, (_, { attempt }) => {
        const name = failures[attempt - 1]
        if (name) throw named(name)
        return attempt
      })
      await scene.startWorker({ tasks: [call] })
      const run = await scene.producer.enqueue(call, {})
      expect(await run.result({ timeout: '30s' })).toBe(4)
    })
  })
})

describeWithRedis('a task with a budget', () => {
  describe('when it is exhausted', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test('waits for its turn instead of failing, and uses no retry meanwhile', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      const starts: number[] = []
      const budget = { key: 'service', ratio: 0, minPerSecond: 1, burst: 1 } as const
      const retry = policy.constant({ delay: 1, maxRetries: 2, budget })
      const call = task({ name: 'call', input: none, retry }, (_, { attempt }) => {
        if (attempt > 1) starts.push(performance.now())
        if (attempt < 3) throw new Error('down')
        return attempt
      })
      await scene.startWorker({ tasks: [call] })
      const run = await scene.producer.enqueue(call, {})
      const waiting = await runWith(run, 'call', 'waiting')
      expect(nodeOf(waiting, 'call')).toMatchObject({
        waitingFor: 'budget',
        attempts: 2,
        retriesUsed: 2,
      })
      expect(await run.result({ timeout: '30s' })).toBe(3)
      const [second = 0, third = 0] = starts
      expect(third - second).toBeGreaterThan(900)
      expect(kindsOf(await runEnd(run), 'call')).toEqual(['error', 'error'])
    })

    test('costs no probe of a breaker that the task has too', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const budget = { key: 'both', ratio: 0, minPerSecond: 2, burst: 1 } as const
      const breaker = { key: 'both', failures: 3, openFor: 100, probes: 1 } as const
      const retry = policy.constant({ delay: 1, maxRetries: 5, budget, breaker })
      const call = task({ name: 'call', input: none, retry }, (_, { attempt }) => {
        if (attempt < 5) throw new Error('down')
        return attempt
      })
      await scene.startWorker({ tasks: [call] })
      const run = await scene.producer.enqueue(call, {})
      expect(await run.result({ timeout: '60s' })).toBe(5)
    })

    test('is given at enqueue as data', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const call = task({ name: 'call', input: none }, () => {
        throw new Error('down')
      })
      await scene.startWorker({ tasks: [call] })
      const budget = { key: 'sent', ratio: 0, minPerSecond: 0.001, burst: 1 }
      const retry = { kind: 'constant', delay: 1, maxRetries: 9, budget } as const
      const run = await scene.producer.enqueue(call, {}, { retry })
      const waiting = await runWith(run, 'call', 'waiting')
      expect(nodeOf(waiting, 'call')).toMatchObject({ waitingFor: 'budget', attempts: 2 })
    })
  })
})
