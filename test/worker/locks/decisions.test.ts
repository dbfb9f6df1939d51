import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { procrastinateDecision } from '../../../src/compat/index.ts'
import {
  definePolicy,
  flow,
  type PolicyFailure,
  type RetryDecision,
  Runs,
  task,
} from '../../../src/index.ts'
import { describeWithRedis, redisUrl } from '../../setup/namespace.ts'
import {
  eventually,
  newGate,
  nodeOf,
  openScene,
  runEnd,
  runWith,
  stopReasonOf,
  TEST_TIMEOUT_MS,
} from '../scene.ts'

const none = z.object({})

/** A plug-in that gives these decisions, one after the other, then stops; and the locks that it was told of. */
function deciding(decisions: readonly RetryDecision[]) {
  const locks: (string | null)[] = []
  const decide = ({ retryNumber, lock }: PolicyFailure) => {
    locks.push(lock)
    return decisions[retryNumber] ?? null
  }
  return { locks, plugin: definePolicy({ name: 'deciding', options: none, decide }) }
}

/** Who holds the locks of a namespace: those that the handler has while it runs. */
async function heldLocks({ redis, prefix }: ReturnType<typeof openScene>): Promise<string[]> {
  const begin = `${prefix}/lock:`
  const keys = await redis.keys(`${prefix}/lock:*`)
  return keys.map((key) => key.slice(begin.length)).sort()
}

describeWithRedis('a decision’s lock', () => {
  describe('is', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test('what its retry takes, and all that follow, until one names another or null', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      const { locks, plugin } = deciding([{}, { lock: 'slow lane' }, {}, { lock: null }, {}])
      const held: string[][] = []
      const retry = { name: 'deciding' }
      const call = task({ name: 'call', input: none, lock: 'own', retry }, async () => {
        held.push(await heldLocks(scene))
        throw new Error('down')
      })
      await scene.startWorker({ tasks: [call], policies: [plugin] })
      const run = await scene.producer.enqueue(call, {})
      const ended = await runEnd(run)
      expect(held).toEqual([['own'], ['own'], ['slow lane'], ['slow lane'], [], []])
      expect(locks).toEqual(['own', 'own', 'slow lane', 'slow lane', null, null])
      const recorded = nodeOf(ended, 'call').log.map(({ decision }) =>
        decision?.action === 'retry' ? decision.lock : 'stop',
      )
      expect(recorded).toEqual([undefined, 'slow lane', undefined, null, undefined, 'stop'])
    })

    test('the one that the retry waits for', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const gate = newGate()
      const { plugin } = deciding([{ lock: 'busy' }])
      const busy = task({ name: 'busy', input: none, lock: 'busy' }, () => gate.opened)
      const call = task({ name: 'call', input: none, retry: 'deciding' }, (_, { attempt }) => {
        if (attempt === 1) throw new Error('down')
        return attempt
      })
      await scene.startWorker({ tasks: [busy, call], policies: [plugin] })
      await runWith(await scene.producer.enqueue(busy, {}), 'busy', 'running')
      const run = await scene.producer.enqueue(call, {})
      const waiting = await runWith(run, 'call', 'waiting')
      expect(nodeOf(waiting, 'call')).toMatchObject({
        waitingForLock: 'busy',
        attempts: 1,
        retriesUsed: 1,
      })
      gate.open()
      expect(await run.result({ timeout: '30s' })).toBe(2)
    })

    test('that of a Procrastinate decision; without one it stays', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const given = [procrastinateDecision(), procrastinateDecision({ lock: 'other' })]
      const { locks, plugin } = deciding([...given, procrastinateDecision({ lock: null })])
      const call = task({ name: 'call', input: none, lock: 'own', retry: 'deciding' }, () => {
        throw new Error('down')
      })
      await scene.startWorker({ tasks: [call], policies: [plugin] })
      await runEnd(await scene.producer.enqueue(call, {}))
      expect(locks).toEqual(['own', 'own', 'other', 'other'])
    })

    test('forgotten when the node is retried by hand', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const { locks, plugin } = deciding([{ lock: 'other' }])
      const call = task({ name: 'call', input: none, lock: 'own', retry: 'deciding' }, () => {
        throw new Error('down')
      })
      await scene.startWorker({ tasks: [call], policies: [plugin] })
      const run = await scene.producer.enqueue(call, {})
      await runEnd(run)
      const runs = new Runs({ redis: redisUrl(), namespace: scene.namespace })
      onTestFinished(() => runs.close())
      await runs.retry(run.id)
      await eventually(() => expect(locks).toHaveLength(3))
      expect(locks).toEqual(['own', 'other', 'own'])
    })

    test('refused for a node that waits for a child run; to have none is not', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      const { locks, plugin } = deciding([{ lock: null }, { lock: 'a' }])
      const fails = task({ name: 'fails', input: none }, () => {
        throw new Error('down')
      })
      const inner = flow({ name: 'inner', input: none }, () => fails({}))
      const outer = flow({ name: 'outer', input: none }, () =>
        inner.asRun({ retry: 'deciding' })({}),
      )
      await scene.startWorker({ flows: [inner, outer], policies: [plugin] })
      const ended = await runEnd(await scene.producer.enqueue(outer, {}))
      expect(nodeOf(ended, 'inner').retriesUsed).toBe(1)
      expect(stopReasonOf(ended, 'inner')).toBe('policy_error')
      const decision = nodeOf(ended, 'inner').log.at(-1)?.decision
      expect(decision).toMatchObject({
        detail:
          "inner waits for child runs: it can't have a lock. Give one to a task of the flow inner",
      })
      expect(locks).toEqual([null, null])
    })
  })
})
