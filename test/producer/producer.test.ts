import { createServer } from 'node:net'
import { Queue } from 'bullmq'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { isRunId } from '../../src/core/ids.ts'
import {
  type EnqueueOptions,
  flow,
  Producer,
  policy,
  type RunHandle,
  task,
} from '../../src/index.ts'
import { describeWithRedis, redisUrl, testNamespace } from '../setup/namespace.ts'

const ping = task({ name: 'ping', input: z.object({ url: z.url() }) }, ({ url }) => url)
const mail = task(
  { name: 'mail', input: z.object({ to: z.string() }), queue: 'mail', priority: 7 },
  ({ to }) => to,
)
const report = flow(
  {
    name: 'report',
    input: z.object({ url: z.url(), tries: z.number().default(1) }),
    queue: 'reports',
  },
  (input) => ping({ url: input.url }),
)
const URL_INPUT = { url: 'https://example.org/' }

type Cleanup = (clean: () => Promise<void>) => void

function open(onTestFinished: Cleanup, queue = 'default') {
  const namespace = testNamespace()
  const producer = new Producer({ redis: redisUrl(), namespace })
  const jobs = new Queue(queue, {
    connection: { url: redisUrl() },
    prefix: `{${namespace}:0}`,
  })
  onTestFinished(async () => {
    await jobs.close()
    await producer.close()
  })
  const jobOf = async (run: RunHandle) =>
    (await jobs.getJob(run.id)) ?? Promise.reject(new Error('no job'))
  return { producer, jobs, jobOf }
}

describeWithRedis('enqueue', () => {
  test('adds the job of a flow, in its queue, under the id of the run', async ({
    onTestFinished,
  }) => {
    const { producer, jobOf } = open(onTestFinished, 'reports')
    const run = await producer.enqueue(report, URL_INPUT)
    expect(isRunId(run.id)).toBe(true)
    const job = await jobOf(run)
    expect(job.name).toBe('report')
    // The raw input: the worker parses it, and fills in defaults.
    expect(job.data).toEqual({ v: 1, kind: 'flow', flow: 'report', input: URL_INPUT })
    expect(job.opts).toMatchObject({
      attempts: 2 ** 31 - 1,
      backoff: { type: 'reprise' },
      removeOnComplete: true,
      stackTraceLimit: 3,
    })
  })

  test('adds the job of a single task, in its queue and priority', async ({ onTestFinished }) => {
    const { producer, jobOf } = open(onTestFinished, 'mail')
    const job = await jobOf(await producer.enqueue(mail, { to: 'x' }))
    expect(job.data).toEqual({ v: 1, kind: 'task', task: 'mail', input: { to: 'x' } })
    expect(job.opts.priority).toBe(7)
  })

  test.each([
    ['flow', { flow: 'elsewhere' }],
    ['task', { task: 'elsewhere' }],
  ] as const)('adds the job of a %s by name, with any input', async (kind, target) => {
    const cleanups: (() => Promise<void>)[] = []
    const { producer, jobOf } = open((clean) => cleanups.push(clean))
    const job = await jobOf(await producer.enqueue(target, [1, { two: null }]))
    expect(job.data).toEqual({ v: 1, kind, [kind]: 'elsewhere', input: [1, { two: null }] })
    for (const clean of cleanups) await clean()
  })

  test('sends policies as data, and options as they are', async ({ onTestFinished }) => {
    const { producer, jobOf } = open(onTestFinished)
    const run = await producer.enqueue(ping, URL_INPUT, {
      retry: policy.exponential({ maxRetries: 2, delay: '1s' }),
      nodes: { ping: { retry: false } },
      retries: 'off',
      tags: ['nightly'],
    })
    const { options } = (await jobOf(run)).data
    expect(options).toMatchObject({ retries: 'off', tags: ['nightly'] })
    expect(options.retry).toEqual(JSON.parse(JSON.stringify(options.retry)))
    expect(Object.keys(options.nodes)).toEqual(['ping'])
  })

  test('takes queue, delay and priority from its options', async ({ onTestFinished }) => {
    const { producer, jobOf } = open(onTestFinished, 'slow')
    const run = await producer.enqueue(
      mail,
      { to: 'x' },
      { queue: 'slow', delay: '1m', priority: 3 },
    )
    const job = await jobOf(run)
    expect(job.delay).toBe(60_000)
    expect(job.opts.priority).toBe(3)
    expect(await run.state()).toBe('scheduled')
  })

  test('lets priority 0 beat that of the task', async ({ onTestFinished }) => {
    const { producer, jobOf } = open(onTestFinished, 'mail')
    const job = await jobOf(await producer.enqueue(mail, { to: 'x' }, { priority: 0 }))
    expect(job.opts.priority ?? 0).toBe(0)
  })

  test('gives every run an id of its own, in the order of their enqueues', async ({
    onTestFinished,
  }) => {
    const { producer } = open(onTestFinished)
    const runs = await Promise.all(
      Array.from({ length: 50 }, () => producer.enqueue(ping, URL_INPUT)),
    )
    const ids = runs.map(({ id }) => id)
    expect(new Set(ids).size).toBe(50)
  })

  test('tells its hook', async () => {
    const told: object[] = []
    const producer = new Producer({
      redis: redisUrl(),
      namespace: testNamespace(),
      hooks: { onRunEnqueued: (info) => told.push(info) },
    })
    const run = await producer.enqueue(ping, URL_INPUT)
    expect(told).toEqual([{ runId: run.id, flow: 'ping' }])
    await producer.close()
  })

  test('hands a run over although its hook throws', async () => {
    const producer = new Producer({
      redis: redisUrl(),
      namespace: testNamespace(),
      hooks: {
        onRunEnqueued: () => {
          throw new Error('a hook')
        },
      },
    })
    expect((await producer.enqueue(ping, URL_INPUT)).id).toMatch(/^0-/)
    await producer.close()
  })
})

describeWithRedis('enqueue refuses', () => {
  test('an input that does not fit: which field, what was expected, what was got', async ({
    onTestFinished,
  }) => {
    const { producer, jobs } = open(onTestFinished, 'reports')
    const input = { ...URL_INPUT, tries: 'many' } as unknown as typeof URL_INPUT
    await expect(producer.enqueue(report, input)).rejects.toMatchObject({
      code: 'invalid_input',
      message: expect.stringMatching(
        /flow report[\s\S]*expected number, received string[\s\S]*at tries/,
      ),
    })
    expect(await jobs.count()).toBe(0)
  })

  test.each<[string, unknown, RegExp]>([
    ['a BigInt', { n: 1n }, /input\.n.*BigInt/],
    ['a Map', { m: new Map() }, /input\.m.*Map/],
    ['NaN', [Number.NaN], /input\[0\].*NaN/],
  ])('an input with %s, and names the place', async (_name, input, message) => {
    const producer = new Producer({ redis: redisUrl(), namespace: testNamespace() })
    await expect(producer.enqueue({ flow: 'x' }, input)).rejects.toMatchObject({
      code: 'serialization',
      message: expect.stringMatching(message),
    })
    await producer.close()
  })

  test('no input: it would be missing from the envelope', async () => {
    const producer = new Producer({ redis: redisUrl(), namespace: testNamespace() })
    await expect(producer.enqueue({ flow: 'x' }, undefined)).rejects.toMatchObject({
      code: expect.stringMatching(/invalid_input|serialization/),
    })
    await producer.close()
  })

  test.each<[string, EnqueueOptions]>([
    ['retry', { retry: policy.exponential({ when: () => true }) }],
    [
      'nodes.ping.retry',
      { nodes: { ping: { retry: policy.constant({ delay: '1s', when: () => true }) } } },
    ],
  ])('a policy with a function, and names the option %s', async (option, options) => {
    const producer = new Producer({ redis: redisUrl(), namespace: testNamespace() })
    await expect(producer.enqueue(ping, URL_INPUT, options)).rejects.toMatchObject({
      code: 'definition',
      message: expect.stringContaining(option),
    })
    await producer.close()
  })

  test.each<[string, object, RegExp]>([
    ['an unknown option', { dealy: 5 }, /Unrecognized key: "dealy"/],
    ['a priority that is none', { priority: 1.5 }, /priority/],
    ['a priority too low', { priority: 3_000_000 }, /priority/],
    ['a queue with a colon', { queue: 'a:b' }, /expected a queue[\s\S]*queue/],
    ['a wrong switch', { retries: 'on' }, /retries/],
    ['an empty tag', { tags: [''] }, /tags/],
    ['a delay that is none', { delay: 'soon' }, /delay/],
    ['a negative delay', { delay: -1 }, /delay/],
    ['a policy that is none', { retry: -3 }, /retry/],
  ])('%s, and names it', async (_name, options, message) => {
    const producer = new Producer({ redis: redisUrl(), namespace: testNamespace() })
    await expect(producer.enqueue(ping, URL_INPUT, options)).rejects.toMatchObject({
      message: expect.stringMatching(message),
      code: expect.stringMatching(/options|definition/),
    })
    await producer.close()
  })

  test('a policy for a node that is not there, and lists those that are', async () => {
    const producer = new Producer({ redis: redisUrl(), namespace: testNamespace() })
    const all = flow({ name: 'all', input: z.array(z.url()) }, (urls) => {
      const texts = ping.map(urls, (url) => ({ url }))
      mail({ to: 'x' })
      return texts
    })
    const refusal = (nodes: EnqueueOptions['nodes']) =>
      producer.enqueue(all, [URL_INPUT.url], { nodes }).then(
        () => 'enqueued',
        (error: Error) => error.message,
      )
    expect(await refusal({ mial: { retry: 1 } })).toBe(
      'enqueue options: nodes: expected keys of nodes that call a task (ping[*], mail), got "mial"',
    )
    expect(await refusal({ ping: { retry: 1 } })).toContain(
      'got "ping". The items of this map are "ping[*]"',
    )
    expect(await refusal({ 'ping[*]': { retry: 1 }, mail: {} })).toBe('enqueued')
    await expect(
      producer.enqueue(ping, URL_INPUT, { nodes: { pong: { retry: 1 } } }),
    ).rejects.toMatchObject({ code: 'options', message: expect.stringContaining('(ping), got') })
    await producer.close()
  })

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['a text', 'report'],
    ['an empty object', {}],
    ['a number as name', { flow: 7 }],
  ])('%s as its target', async (_name, target) => {
    const producer = new Producer({ redis: redisUrl(), namespace: testNamespace() })
    const wrong = target as { flow: string }
    await expect(producer.enqueue(wrong, {})).rejects.toMatchObject({
      code: 'options',
      message: expect.stringContaining("{ flow: 'name' }"),
    })
    await producer.close()
  })
})

describeWithRedis('a producer whose Redis is away', () => {
  const AWAY = 'redis://127.0.0.1:1'

  test('fails an enqueue soon, with an error that says so', async () => {
    const producer = new Producer({ redis: AWAY })
    const started = performance.now()
    await expect(producer.enqueue(ping, URL_INPUT)).rejects.toMatchObject({
      code: 'redis',
      message: expect.stringMatching(/the run was not enqueued/),
      cause: expect.anything(),
    })
    expect(performance.now() - started).toBeLessThan(6_000)
    await producer.close()
  })

  test('says so at its start', async () => {
    const producer = new Producer({ redis: AWAY })
    await expect(producer.ready()).rejects.toMatchObject({
      code: 'redis',
      message: expect.stringMatching(/127\.0\.0\.1:1 can't be reached/),
    })
    await producer.close()
  })

  test('never tells the password', async () => {
    const producer = new Producer({ redis: 'redis://user:secret@127.0.0.1:1' })
    const error = await producer.ready().catch((thrown: unknown) => thrown)
    expect(String(error)).not.toContain('secret')
    await producer.close()
  })

  test('tells connection errors to whoever listens', async () => {
    const heard: string[] = []
    const producer = new Producer({ redis: AWAY, onError: ({ message }) => heard.push(message) })
    await expect.poll(() => heard.length).toBeGreaterThan(0)
    await producer.close()
  })

  test('closes', async () => {
    const producer = new Producer({ redis: AWAY })
    producer.enqueue(ping, URL_INPUT).catch(() => {})
    await producer.close()
  })

  test('fails an enqueue when Redis does not answer', async () => {
    const silent = createServer(() => {})
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const address = silent.address()
    const port = typeof address === 'object' ? address?.port : 0
    const producer = new Producer({ redis: `redis://127.0.0.1:${port}` })
    const started = performance.now()
    await expect(producer.enqueue(ping, URL_INPUT)).rejects.toMatchObject({ code: 'redis' })
    expect(performance.now() - started).toBeLessThan(15_000)
    await producer.close()
    silent.close()
  })
})
