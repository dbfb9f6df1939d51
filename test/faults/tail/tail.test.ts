import { setTimeout as sleep } from 'node:timers/promises'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import type { SettleAnswer } from '../../../src/coordinator/answers.ts'
import { Coordinator } from '../../../src/coordinator/coordinator.ts'
import { ShardKeys } from '../../../src/coordinator/keys.ts'
import {
  flow,
  Producer,
  policy,
  type RunHandle,
  type RunSnapshot,
  task,
  Worker,
} from '../../../src/index.ts'
import { eventually, type OnTestFinished, runEnd, TEST_TIMEOUT_MS } from '../../worker/scene.ts'
import { OwnRedis, redisServer } from './own-redis.ts'

const LEASE_MS = 2_000
const STALLED_INTERVAL_MS = 300
/** The bound of recovery for these settings (R15). */
const BOUND_MS = Math.max(4 * STALLED_INTERVAL_MS, LEASE_MS + 2 * STALLED_INTERVAL_MS)
/** For the work itself, with everything else that a busy machine does. */
const WORK_MS = 20_000
const QUEUES = ['default', 'side'] as const

const step = task({ name: 'step', input: z.object({}) }, async (_, ctx) => {
  await sleep(40 + ((ctx.fencingToken * 7) % 50))
  return ctx.node
})
const flaky = task(
  {
    name: 'flaky',
    input: z.object({}),
    retry: policy.constant({ delay: 250, maxRetries: 3 }),
  },
  async (_, ctx) => {
    await sleep(30)
    if (ctx.attempt <= 2) throw new Error(`failure ${ctx.attempt}`)
    return ctx.node
  },
)

/** Continuations, tickets of another queue, retries in place and on tickets of their own, and a join. */
const mixed = flow({ name: 'mixed', input: z.object({ start: z.string() }) }, () => {
  const a = step.with({ key: 'a' })({})
  const b = step.with({ key: 'b', after: [a] })({})
  const c = step.with({ key: 'c', after: [b], queue: 'side' })({})
  const m = flaky.with({ key: 'm', after: [b] })({})
  const fan = [1, 2, 3].map((n) => step.with({ key: `f${n}`, after: [c], queue: 'side' })({}))
  const last = flaky.with({ key: 'n', after: [...fan, m], queue: 'side' })({})
  return step.with({ key: 'z', after: [last], delay: 50 })({})
})

interface TailScene {
  readonly server: OwnRedis
  readonly redis: Redis
  readonly producer: Producer
  /** The answers with which settles of the workers were refused. */
  readonly refusals: string[]
  enqueue(count: number): Promise<RunHandle<string>[]>
}

/** Two workers, a producer, and a Redis of their own. */
async function openTailScene(onTestFinished: OnTestFinished): Promise<TailScene> {
  const server = await OwnRedis.start()
  const refusals: string[] = []
  const redis = new Redis(server.url, { maxRetriesPerRequest: null })
  redis.on('error', () => {})
  const producer = new Producer({ redis: server.url })
  const workers = [1, 2].map(
    () =>
      new Worker({
        redis: server.url,
        flows: [mixed],
        queues: { default: { concurrency: 10 }, side: { concurrency: 10 } },
        leaseDuration: LEASE_MS,
        stalledInterval: STALLED_INTERVAL_MS,
        shutdownTimeout: 0,
        closeOn: [],
        logger: pino({ level: 'silent' }),
        hooks: { onRefused: ({ answer }) => refusals.push(answer) },
      }),
  )
  onTestFinished(async () => {
    await Promise.all(workers.map((worker) => worker.close()))
    await producer.close()
    redis.disconnect()
    await server.stop()
  })
  await Promise.all(workers.map((worker) => worker.ready()))
  return {
    server,
    redis,
    producer,
    refusals,
    enqueue: (count) =>
      Promise.all(Array.from({ length: count }, () => producer.enqueue(mixed, { start: 'x' }))),
  }
}

/** Each attempt of the surviving history has its number, from 1 and without gaps. */
function expectNoGaps(run: RunSnapshot): void {
  for (const { key, kind, state, attempts, log } of run.nodes) {
    if (kind !== 'task') continue
    expect(state, `${key} of ${run.id}`).toBe('succeeded')
    const numbers = [...log.map(({ attempt }) => attempt), attempts]
    expect(numbers, `the attempts of ${key} of ${run.id}`).toEqual(
      Array.from({ length: attempts }, (_, i) => i + 1),
    )
  }
}

/** No run is live, and no job waits, is delayed or active. */
async function expectNothingLeft({ redis }: TailScene): Promise<void> {
  const queues = QUEUES.map((name) => new Queue(name, { prefix: '{reprise:0}', connection: redis }))
  try {
    await eventually(async () => {
      expect(await redis.zrange('{reprise:0}/live', '0', '-1')).toEqual([])
      for (const queue of queues) {
        const left = await queue.getJobs(['waiting', 'delayed', 'active', 'prioritized'])
        expect(left.map((job) => `${queue.name} ${job.id} ${job.failedReason}`)).toEqual([])
      }
    })
  } finally {
    await Promise.all(queues.map((queue) => queue.close()))
  }
}

async function expectService(scene: TailScene): Promise<void> {
  const startedAt = performance.now()
  for (const run of await scene.enqueue(5)) {
    const ended = await runEnd(run)
    expect(ended.state).toBe('succeeded')
    expectNoGaps(ended)
  }
  expect(performance.now() - startedAt).toBeLessThan(BOUND_MS + WORK_MS)
}

function isEmpty(answer: SettleAnswer): boolean {
  return answer.status === 'settled' && answer.rowLeft === 'empty'
}

function countsOf(words: readonly string[]): string {
  const different = [...new Set(words)].sort()
  const counts = different.map((word) => `${words.filter((w) => w === word).length} ${word}`)
  return counts.join(', ') || 'none'
}

const name = 'Redis loses its tail while the workers live'
const tests = () => {
  test.for([
    { runningMs: 2, lostMs: 190 },
    { runningMs: 60, lostMs: 150 },
    { runningMs: 250, lostMs: 400 },
    { runningMs: 500, lostMs: 1_500 },
  ])(
    'snapshot after $runningMs ms, $lostMs ms lost: every run of the snapshot ends, and nothing is wedged',
    { timeout: TEST_TIMEOUT_MS },
    async ({ runningMs, lostMs }, { onTestFinished }) => {
      const scene = await openTailScene(onTestFinished)
      const runs = await scene.enqueue(20)
      await sleep(runningMs)
      await scene.server.snapshot()
      const lost = await scene.enqueue(5)
      await sleep(lostMs)
      // However fast the machine is, handlers of these are at work when Redis falls.
      lost.push(...(await scene.enqueue(5)))
      await sleep(20)
      await scene.server.throwBack('snapshot')

      const backAt = performance.now()
      const ended: RunSnapshot[] = []
      for (const run of runs) ended.push(await runEnd(run))
      const endedMs = performance.now() - backAt
      console.log(
        `snapshot after ${runningMs} ms, ${lostMs} ms lost: all ended ${Math.round(endedMs)} ms after the restart; ` +
          `refused settles: ${countsOf(scene.refusals)}; crashes: ${ended.flatMap(({ nodes }) => nodes.flatMap(({ log }) => log.filter(({ kind }) => kind === 'crash'))).length}`,
      )
      for (const run of ended) {
        expect(run.state).toBe('succeeded')
        expectNoGaps(run)
      }
      expect(endedMs).toBeLessThan(BOUND_MS + WORK_MS)
      expect(scene.refusals, 'workers were ahead of the state').not.toEqual([])
      for (const answer of scene.refusals) {
        expect(['behind', 'superseded', 'no_run']).toContain(answer)
      }
      await expectNothingLeft(scene)
      // What was enqueued after the snapshot is gone as a whole.
      for (const run of lost) expect(await run.read()).toBeNull()
      await expectService(scene)
      await expectNothingLeft(scene)
    },
  )

  test('a tail that holds the run, but not the delivery of its job: the job does not go before the run is opened again', {
    timeout: TEST_TIMEOUT_MS,
  }, async ({ onTestFinished }) => {
    const { redis, producer } = await openTailScene(onTestFinished)
    const keys = new ShardKeys('reprise', 0)
    const run = await producer.enqueue(mixed, { start: 'x' })
    const { settle } = Coordinator.prototype
    let forgotten = false
    const settling = vi.spyOn(Coordinator.prototype, 'settle')
    onTestFinished(() => settling.mockRestore())
    settling.mockImplementation(async function (this: Coordinator, ...args) {
      const answer = await settle.apply(this, args)
      const [{ runId, ticket }] = args
      if (forgotten || runId !== run.id || ticket !== 0 || !isEmpty(answer)) return answer
      forgotten = true
      await redis.del(keys.run(runId), keys.out(runId), keys.log(runId))
      await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      return answer
    })
    expect((await runEnd(run)).state).toBe('succeeded')
    expect(forgotten).toBe(true)
  })

  test('everything lost, runs and queues: the workers stay alive and serve new runs', {
    timeout: TEST_TIMEOUT_MS,
  }, async ({ onTestFinished }) => {
    const scene = await openTailScene(onTestFinished)
    const lost = await scene.enqueue(20)
    await sleep(400)
    await scene.server.throwBack('nothing')

    await expectService(scene)
    await expectNothingLeft(scene)
    for (const run of lost) expect(await run.read()).toBeNull()
    for (const answer of scene.refusals) expect(answer).toBe('no_run')
  })
}

if (redisServer === null) {
  describe.skip(`${name} (skipped: needs redis-server or valkey-server on the PATH)`, tests)
} else describe(name, { concurrent: true }, tests)
