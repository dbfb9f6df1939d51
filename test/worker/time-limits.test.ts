import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { flow, policy, task } from '../../src/index.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import {
  eventually,
  kindsOf,
  newGate,
  nodeOf,
  openScene,
  runEnd,
  stopReasonOf,
  TEST_TIMEOUT_MS,
} from './scene.ts'

const none = z.object({})

describeWithRedis('the time limit of an attempt', () => {
  describe('when it is over', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test('aborts the signal, and the attempt is a timeout', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const reasons: unknown[] = []
      const slow = task(
        { name: 'slow', input: none, timeout: 50 },
        (_, { signal }) =>
          new Promise((_, reject) => {
            signal.addEventListener('abort', () => {
              reasons.push(signal.reason?.abortCause)
              reject(new Error('what the handler says does not count'))
            })
          }),
      )
      await scene.startWorker({ tasks: [slow] })
      const run = await scene.producer.enqueue(slow, {})
      const ended = await runEnd(run)
      const [entry] = nodeOf(ended, 'slow').log
      expect(entry).toMatchObject({
        kind: 'timeout',
        error: { message: 'the attempt took longer than its 50 ms' },
      })
      expect(reasons).toEqual(['timeout'])
      expect(stopReasonOf(ended, 'slow')).toBe('no_policy')
    })

    test('holds nobody up, even if the handler ignores its signal', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const gate = newGate()
      onTestFinished(async () => gate.open())
      const deaf = task({ name: 'deaf', input: none, timeout: 30 }, () => gate.opened)
      const next = task({ name: 'next', input: none }, () => 'served')
      const queues = { default: { concurrency: 1 } }
      await scene.startWorker({ tasks: [deaf, next], queues })
      const run = await scene.producer.enqueue(
        deaf,
        {},
        { retry: { kind: 'constant', delay: 1, maxRetries: 2 } },
      )
      const served = await scene.producer.enqueue(next, {})
      expect(await served.result({ timeout: '30s' })).toBe('served')
      expect(kindsOf(await runEnd(run), 'deaf')).toEqual(['timeout', 'timeout', 'timeout'])
    })

    test('is retried by the policy, unless its kinds exclude it', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const hang = ({ signal }: { signal: AbortSignal }) =>
        new Promise((resolve) => signal.addEventListener('abort', resolve))
      const once = task(
        {
          name: 'once',
          input: none,
          timeout: 20,
          retry: policy.constant({ delay: 1, maxRetries: 3, kinds: ['error'] }),
        },
        (_, ctx) => hang(ctx),
      )
      const again = task(
        {
          name: 'again',
          input: none,
          timeout: 20,
          retry: policy.constant({ delay: 1, maxRetries: 3, kinds: ['timeout'] }),
        },
        (_, ctx) => (ctx.attempt < 3 ? hang(ctx) : ctx.previousFailures.map(({ kind }) => kind)),
      )
      await scene.startWorker({ tasks: [once, again] })
      const failing = await runEnd(await scene.producer.enqueue(once, {}))
      expect(kindsOf(failing, 'once')).toEqual(['timeout'])
      expect(stopReasonOf(failing, 'once')).toBe('not_in_kinds')
      const run = await scene.producer.enqueue(again, {})
      expect(await run.result({ timeout: '30s' })).toEqual(['timeout', 'timeout'])
    })

    test('of the node beats the task’s, which beats the worker’s', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const gate = newGate()
      onTestFinished(async () => gate.open())
      const limited = task({ name: 'limited', input: none, timeout: 40 }, () => gate.opened)
      const plain = task({ name: 'plain', input: none }, () => gate.opened)
      const limits = flow({ name: 'limits', input: none }, () => {
        limited.with({ key: 'by-node', timeout: 30 })({})
        limited.with({ key: 'by-task' })({})
        plain.with({ key: 'by-worker' })({})
      })
      await scene.startWorker({ flows: [limits], defaults: { timeout: 50 } })
      const ended = await runEnd(await scene.producer.enqueue(limits, {}))
      const messages = ended.nodes.map(({ key, log }) => [key, log[0]?.error?.message])
      expect(messages).toEqual([
        ['by-node', 'the attempt took longer than its 30 ms'],
        ['by-task', 'the attempt took longer than its 40 ms'],
        ['by-worker', 'the attempt took longer than its 50 ms'],
      ])
    })

    test('does not come back after an attempt that ended in time', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const signals: AbortSignal[] = []
      const quick = task({ name: 'quick', input: none, timeout: 100 }, (_, { signal }) => {
        signals.push(signal)
        return 'done'
      })
      const slow = task({ name: 'slow', input: none, timeout: 300 }, (_, { signal }) => {
        return new Promise((resolve) => signal.addEventListener('abort', resolve))
      })
      await scene.startWorker({ tasks: [quick, slow] })
      await (await scene.producer.enqueue(quick, {})).result({ timeout: '30s' })
      await runEnd(await scene.producer.enqueue(slow, {}))
      await eventually(() => expect(signals).toHaveLength(1))
      expect(signals[0]?.aborted).toBe(false)
    })
  })
})
