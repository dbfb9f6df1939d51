import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { DefinitionError, definePolicy, flow, Producer, policy, task } from '../../src/index.ts'
import { describeWithRedis, redisUrl } from '../setup/namespace.ts'
import {
  eventually,
  newGate,
  nodeOf,
  openScene,
  runEnd,
  runWith,
  stopReasonOf,
  TEST_TIMEOUT_MS,
} from './scene.ts'

const none = z.object({})

const moving = definePolicy({
  name: 'moving',
  version: '2.0.0',
  options: z.strictObject({ queue: z.string(), priority: z.int().default(0) }),
  decide: ({ queue, retryNumber }, options) =>
    retryNumber < 3 ? { retryIn: 10, ...options, reason: `left ${queue}` } : null,
})

const failing = task({ name: 'failing', input: none }, (_, { attempt }) => {
  if (attempt < 4) throw new Error('broken')
  return attempt
})

const queues = { default: { concurrency: 5 } }
const slow = { slow: { concurrency: 5 } }

describeWithRedis('a plug-in', () => {
  describe('by name', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test('moves a retry to another queue and priority, and stays there', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      const seen: unknown[] = []
      const watched = task({ name: 'watched', input: none }, (_, { attempt }) => {
        if (attempt < 4) throw new Error('broken')
        return attempt
      })
      const watching = definePolicy({
        name: 'watching',
        options: z.object({}),
        decide: ({ queue, priority }) => {
          seen.push({ queue, priority })
          return { retryIn: 10, queue: 'slow', priority: { delta: 2 } }
        },
      })
      const parts = { tasks: [watched], policies: [watching] }
      await scene.startWorker({ ...parts, queues: slow })
      await scene.startWorker({ ...parts, queues })
      const run = await scene.producer.enqueue(watched, {}, { retry: 'watching' })
      expect(await run.result({ timeout: '30s' })).toBe(4)
      expect(seen).toEqual([
        { queue: 'default', priority: 0 },
        { queue: 'slow', priority: 2 },
        { queue: 'slow', priority: 4 },
      ])
      const { log } = nodeOf(await runEnd(run), 'watched')
      expect(log[0]?.decision).toMatchObject({
        rule: 'policy',
        part: 'watching',
        delayMs: 10,
        place: { queue: 'slow', priority: 2 },
      })
    })

    test('that names a queue which nobody serves is a policy_error', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      await scene.startWorker({ tasks: [failing], policies: [moving], queues })
      const retry = { name: 'moving', options: { queue: 'nowhere' } }
      const run = await scene.producer.enqueue(failing, {}, { retry })
      const ended = await runEnd(run)
      expect(stopReasonOf(ended, 'failing')).toBe('policy_error')
      expect(nodeOf(ended, 'failing').log.at(-1)?.decision).toMatchObject({
        detail: 'no worker has served the queue nowhere in the last 600000 ms; served are: default',
      })
    })

    test('may name a queue whose workers are away for a while', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const away = await scene.startWorker({ tasks: [failing], policies: [moving], queues: slow })
      await away.close()
      await scene.startWorker({ tasks: [failing], policies: [moving], queues })
      const retry = { name: 'moving', options: { queue: 'slow' } }
      const run = await scene.producer.enqueue(failing, {}, { retry })
      await runWith(run, 'failing', 'retrying')
      await scene.startWorker({ tasks: [failing], policies: [moving], queues: slow })
      expect(await run.result({ timeout: '30s' })).toBe(4)
    })

    test('that its worker lacks waits for one that has it, at no cost', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      const ignorant = await scene.startWorker({ tasks: [failing] })
      const retry = { name: 'moving', options: { queue: 'default' } }
      const run = await scene.producer.enqueue(failing, {}, { retry })
      const waiting = await runWith(run, 'failing', 'waiting')
      expect(nodeOf(waiting, 'failing')).toMatchObject({ waitingFor: 'no_handler', attempts: 0 })
      await ignorant.close()
      await scene.startWorker({ tasks: [failing], policies: [moving] })
      expect(await run.result({ timeout: '30s' })).toBe(4)
    })

    test('that nobody has fails with no_handler, and says which policy', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      await scene.startWorker({ tasks: [failing], unknownTaskTimeout: '1s' })
      const ended = await runEnd(await scene.producer.enqueue(failing, {}, { retry: 'moving' }))
      expect(stopReasonOf(ended, 'failing')).toBe('no_handler')
      expect(nodeOf(ended, 'failing').log.at(-1)?.error?.message).toContain('the policy moving')
    })

    test('with options that do not fit decides nothing, but a success is a success', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      const fine = task({ name: 'fine', input: none }, () => 'fine')
      await scene.startWorker({ tasks: [failing, fine], policies: [moving] })
      const retry = { name: 'moving', options: { queue: 5 } }
      const succeeded = await scene.producer.enqueue(fine, {}, { retry })
      expect(await succeeded.result({ timeout: '30s' })).toBe('fine')
      const ended = await runEnd(await scene.producer.enqueue(failing, {}, { retry }))
      expect(stopReasonOf(ended, 'failing')).toBe('policy_error')
      expect(nodeOf(ended, 'failing').log.at(-1)?.decision).toMatchObject({
        detail: expect.stringContaining('policy moving: ✖ Invalid input: expected string'),
      })
    })

    test('in code needs no registration', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const own = task(
        { name: 'own', input: none, retry: moving({ queue: 'default', priority: 0 }) },
        (_, { attempt }) => {
          if (attempt < 2) throw new Error('broken')
          return attempt
        },
      )
      await scene.startWorker({ tasks: [own] })
      const run = await scene.producer.enqueue(own, {})
      expect(await run.result({ timeout: '30s' })).toBe(2)
    })
  })

  test.for([
    ['a task', { retry: 'missing' }, {}, 'the task own: retry'],
    ['the default', {}, { defaults: { retry: { name: 'missing' } } }, 'defaults.retry'],
  ] as const)(
    'that %s names is refused by a worker that lacks it',
    ([, options, worker, where], { onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const own = task({ name: 'own', input: none, ...options }, () => 1)
      return expect(
        scene.startWorker({ tasks: [own], policies: [moving], ...worker }),
      ).rejects.toThrow(
        `worker options: ${where}: no policy has the name missing; registered are: moving`,
      )
    },
  )

  test('that a node names is refused by a worker that lacks it', ({ onTestFinished }) => {
    const scene = openScene(onTestFinished)
    const own = task({ name: 'own', input: none }, () => 1)
    const one = flow({ name: 'one', input: none }, () => own.with({ retry: 'missing' })({}))
    return expect(scene.startWorker({ flows: [one] })).rejects.toThrow(
      'worker options: the flow one: own: retry: no policy has the name missing',
    )
  })

  test('is refused by a worker that has two of one name', ({ onTestFinished }) => {
    const scene = openScene(onTestFinished)
    return expect(scene.startWorker({ policies: [moving, moving] })).rejects.toThrow(
      'policies: two policies have the name moving; names must be unique',
    )
  })
})

describeWithRedis('a producer', () => {
  describe('that has the plug-ins', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test.for([
      ['an unknown name', 'other', 'retry: no policy has the name other; registered are: moving'],
      ['bad options', { name: 'moving', options: { queue: 5 } }, 'policy moving: ✖ Invalid input'],
    ] as const)('refuses %s', async ([, retry, message], { onTestFinished }) => {
      const { namespace } = openScene(onTestFinished)
      const producer = new Producer({ redis: redisUrl(), namespace, policies: [moving] })
      onTestFinished(() => producer.close())
      const attempt = producer.enqueue(failing, {}, { retry })
      await expect(attempt).rejects.toThrow(DefinitionError)
      await expect(attempt).rejects.toThrow(message)
    })

    test('refuses a policy for a node, and names it', async ({ onTestFinished }) => {
      const { namespace } = openScene(onTestFinished)
      const producer = new Producer({ redis: redisUrl(), namespace, policies: [] })
      onTestFinished(() => producer.close())
      const nodes = { failing: { retry: policy.named('moving') } }
      await expect(producer.enqueue(failing, {}, { nodes })).rejects.toThrow(
        'nodes.failing.retry: no policy has the name moving; registered are: none',
      )
    })
  })

  describe('that checks the workers', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    const checkWorkers = true

    test('refuses what no live worker knows, and lists what they know', async ({
      onTestFinished,
    }) => {
      const scene = openScene(onTestFinished)
      await expect(scene.producer.enqueue(failing, {}, { checkWorkers })).rejects.toMatchObject({
        code: 'no_worker',
        message:
          'the run was not enqueued: no live worker knows the task failing; known: none (live workers: 0)',
      })
      await scene.startWorker({ tasks: [failing], policies: [moving] })
      const retry = policy.chain(policy.none(), policy.named('other'))
      await expect(
        scene.producer.enqueue(failing, {}, { checkWorkers, retry }),
      ).rejects.toMatchObject({
        code: 'no_worker',
        message:
          'the run was not enqueued: no live worker knows the policy other; known: moving (live workers: 1)',
      })
    })

    test('enqueues what they know', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      await scene.startWorker({ tasks: [failing], policies: [moving] })
      const retry = { name: 'moving', options: { queue: 'default' } }
      const run = await scene.producer.enqueue(failing, {}, { checkWorkers, retry })
      expect(await run.result({ timeout: '30s' })).toBe(4)
    })

    test('no longer counts a worker that has closed', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const worker = await scene.startWorker({ tasks: [failing] })
      await worker.close()
      await expect(scene.producer.enqueue(failing, {}, { checkWorkers })).rejects.toMatchObject({
        code: 'no_worker',
      })
    })

    test('counts no worker that has been silent for 15 s', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      await scene.startWorker({ tasks: [failing] })
      const key = `${scene.prefix}/workers`
      const [announcement = ''] = await scene.redis.zrange(key, '0', '-1')
      const silent = JSON.stringify({ ...JSON.parse(announcement), id: 'silent', tasks: ['gone'] })
      await scene.redis.zadd(key, String(Date.now() - 16_000), silent)
      await expect(
        scene.producer.enqueue({ task: 'gone' }, {}, { checkWorkers }),
      ).rejects.toMatchObject({ code: 'no_worker' })
    })
  })
})

describeWithRedis('an interruption', () => {
  test('costs no retry, and is bounded by maxInterruptions', { timeout: TEST_TIMEOUT_MS }, async ({
    onTestFinished,
  }) => {
    const scene = openScene(onTestFinished)
    const started: number[] = []
    const gate = newGate()
    onTestFinished(async () => gate.open())
    const long = task(
      { name: 'long', input: none, retry: policy.constant({ delay: 1, maxInterruptions: 2 }) },
      async (_, { attempt }) => {
        started.push(attempt)
        await gate.opened
      },
    )
    const run = await scene.producer.enqueue(long, {})
    for (const attempt of [1, 2, 3]) {
      const worker = await scene.startWorker({ tasks: [long] })
      await eventually(() => expect(started).toContain(attempt))
      await worker.close()
    }
    const ended = await runEnd(run)
    const { log, retriesUsed } = nodeOf(ended, 'long')
    expect(log.map(({ kind, decision }) => [kind, decision?.action])).toEqual([
      ['interrupted', 'retry'],
      ['interrupted', 'retry'],
      ['interrupted', 'stop'],
    ])
    expect(log.at(-1)?.decision).toMatchObject({
      reason: 'exhausted',
      detail: '2 of 2 interruptions used',
    })
    expect(retriesUsed).toBe(0)
  })
})
