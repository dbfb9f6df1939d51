import { Job } from 'bullmq'
import { afterEach, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { Coordinator } from '../../src/coordinator/coordinator.ts'
import { flow, policy, type RunSnapshot, task } from '../../src/index.ts'
import { Queues } from '../../src/producer/queues.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { eventually, openScene, runEnd, type Scene, TEST_TIMEOUT_MS } from './scene.ts'

// The spies are of the whole process: these tests run one after the other.
afterEach(() => {
  vi.restoreAllMocks()
})

const lost = () => new Error('the connection was lost')

/** Makes the first call act and lose its answer. */
function loseFirstAnswer(owner: object, method: string): void {
  const original: unknown = Reflect.get(owner, method)
  if (typeof original !== 'function') throw new Error(`no method ${method}`)
  let calls = 0
  vi.spyOn(owner as Record<string, () => unknown>, method).mockImplementation(async function (
    this: unknown,
    ...args: unknown[]
  ) {
    const answer: unknown = await original.apply(this, args)
    if (calls++ === 0) throw lost()
    return answer
  })
}

/** Makes the first call fail before it acts. */
function failFirstCall(owner: object, method: string): void {
  const original: unknown = Reflect.get(owner, method)
  if (typeof original !== 'function') throw new Error(`no method ${method}`)
  let calls = 0
  vi.spyOn(owner as Record<string, () => unknown>, method).mockImplementation(function (
    this: unknown,
    ...args: unknown[]
  ) {
    if (calls++ === 0) return Promise.reject(lost())
    return original.apply(this, args)
  })
}

/** Runs a flow of three nodes, the second of which fails once; returns its end and what was executed. */
async function runChain(
  scene: Scene,
  isForeign: boolean,
): Promise<{ ended: RunSnapshot; executed: string[] }> {
  const executed: string[] = []
  const step = task({ name: 'step', input: z.object({ after: z.unknown() }) }, (_, { node }) => {
    executed.push(node)
    return node
  })
  const flaky = task(
    {
      name: 'flaky',
      input: z.object({ after: z.unknown() }),
      retry: policy.constant({ delay: 10, maxRetries: 2 }),
    },
    (_, { node }) => {
      executed.push(node)
      if (executed.filter((other) => other === node).length === 1) throw new Error('once')
      return node
    },
  )
  const chain = flow({ name: 'chain', input: z.object({}) }, () => {
    const a = step.with({ key: 'a' })({ after: 1 })
    const b = flaky.with({ key: 'b', queue: 'side' })({ after: a })
    return step.with({ key: 'c' })({ after: b })
  })
  const queues = { default: { concurrency: 5 }, side: { concurrency: 5 } }
  await scene.startWorker({ flows: [chain], queues, leaseDuration: '3s', stalledInterval: '300ms' })
  if (isForeign) {
    const data = { v: 1, kind: 'flow', flow: 'chain', input: {} }
    const job = await scene.queue().add('chain', data)
    return { ended: await runEnd(scene.foreignRun(job)), executed }
  }
  return { ended: await runEnd(await scene.producer.enqueue(chain, {})), executed }
}

describeWithRedis('a worker that loses an answer', () => {
  test.for([
    {
      name: 'to open, which was made',
      break: () => loseFirstAnswer(Coordinator.prototype, 'open'),
    },
    {
      name: 'to open, which was not made',
      break: () => failFirstCall(Coordinator.prototype, 'open'),
    },
    {
      name: 'to the first claim, which was not made',
      break: () => failFirstCall(Coordinator.prototype, 'claim'),
    },
    {
      name: 'to a settle, which was made',
      break: () => loseFirstAnswer(Coordinator.prototype, 'settle'),
    },
    {
      name: 'to a dispatch, which was made',
      break: () => loseFirstAnswer(Queues.prototype, 'add'),
    },
  ])(
    '$name executes nothing twice',
    { timeout: TEST_TIMEOUT_MS },
    async (row, { onTestFinished }) => {
      const scene = openScene(onTestFinished)
      // The producer adds the flow job by the same seam: what is enqueued by a plain queue is not hit.
      row.break()
      const { ended, executed } = await runChain(scene, true)
      expect(ended.state).toBe('succeeded')
      expect(executed).toEqual(['a', 'b', 'b', 'c'])
      for (const node of ended.nodes) {
        expect(node.log.filter(({ kind }) => kind === 'error')).toHaveLength(
          node.key === 'b' ? 1 : 0,
        )
      }
    },
  )

  test('to a settle that was not made executes that node again, and says why', {
    timeout: TEST_TIMEOUT_MS,
  }, async ({ onTestFinished }) => {
    const scene = openScene(onTestFinished)
    failFirstCall(Coordinator.prototype, 'settle')
    const { ended, executed } = await runChain(scene, true)
    expect(ended.state).toBe('succeeded')
    expect(executed).toEqual(['a', 'a', 'b', 'b', 'c'])
    expect(ended.nodes[0]?.log.map(({ kind }) => kind)).toEqual(['crash'])
  })

  test('to what it reads before a handler gives the attempt back at no cost', {
    timeout: TEST_TIMEOUT_MS,
  }, async ({ onTestFinished }) => {
    const scene = openScene(onTestFinished)
    failFirstCall(Coordinator.prototype, 'readNodeLog')
    const { ended, executed } = await runChain(scene, true)
    expect(ended.state).toBe('succeeded')
    expect(executed).toEqual(['a', 'b', 'b', 'c'])
    const [, b] = ended.nodes
    expect(b?.log.map(({ kind }) => kind)).toEqual(['error', 'interrupted'])
    expect(b).toMatchObject({ attempts: 3, retriesUsed: 1, crashes: 0 })
  })

  test.for([
    { name: 'of our own', isForeign: false },
    { name: 'of somebody else', isForeign: true },
  ])(
    'keeps a job $name alive when it can’t be handed back either',
    { timeout: TEST_TIMEOUT_MS },
    async ({ isForeign }, { onTestFinished }) => {
      const scene = openScene(onTestFinished)
      loseFirstAnswer(Coordinator.prototype, 'open')
      failFirstCall(Job.prototype, 'moveToDelayed')
      const { ended } = await runChain(scene, isForeign)
      expect(ended.state).toBe('succeeded')
      await eventually(async () => expect(await scene.queue().getFailed()).toEqual([]))
    },
  )

  test('to a settle that was sent again, and then closes, charges nobody', {
    timeout: TEST_TIMEOUT_MS,
  }, async ({ onTestFinished }) => {
    const scene = openScene(onTestFinished)
    const executed: string[] = []
    const step = task({ name: 'step', input: z.object({ after: z.unknown() }) }, (_, { node }) => {
      executed.push(node)
      return node
    })
    const wide = flow({ name: 'wide', input: z.object({}) }, () => {
      const a = step.with({ key: 'a' })({ after: 1 })
      return [1, 2, 3].map((n) => step.with({ key: `b${n}` })({ after: a }))
    })
    const { settle } = Coordinator.prototype
    let closing: Promise<void> | undefined
    vi.spyOn(Coordinator.prototype, 'settle').mockImplementation(async function (
      this: Coordinator,
      ...args
    ) {
      const answer = await settle.apply(this, args)
      if (closing !== undefined) return answer
      expect(answer).toMatchObject({ rowLeft: 'more', grants: [{}, {}, {}] })
      closing = first.close()
      // As the connection does when it was renewed before the answer came.
      return await settle.apply(this, args)
    })
    const first = await scene.startWorker({ flows: [wide] })
    const run = await scene.producer.enqueue(wide, {})
    await eventually(() => expect(closing).toBeDefined())
    await closing
    vi.restoreAllMocks()
    expect(executed).toEqual(['a'])
    await scene.startWorker({ flows: [wide] })
    const ended = await runEnd(run)
    expect(ended.state).toBe('succeeded')
    expect(executed.sort()).toEqual(['a', 'b1', 'b2', 'b3'])
    for (const { crashes } of ended.nodes) expect(crashes).toBe(0)
  })
})
