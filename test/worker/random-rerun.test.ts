import fc from 'fast-check'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import type { ClaimAnswer } from '../../src/coordinator/answers.ts'
import type { Delivery } from '../../src/coordinator/coordinator.ts'
import { Reruns } from '../../src/coordinator/reruns.ts'
import { RunReader } from '../../src/coordinator/run-reader.ts'
import { executesAnything, planRerun } from '../../src/flow/rerun-plan.ts'
import { rerunOptions } from '../../src/producer/rerun-options.ts'
import { Graphs } from '../../src/worker/graphs.ts'
import { Handlers } from '../../src/worker/handlers.ts'
import { openRerun } from '../../src/worker/open-rerun.ts'
import { readWorkerOptions } from '../../src/worker/options.ts'
import { TaskDurations } from '../../src/worker/task-durations.ts'
import { Driver, useRedis } from '../coordinator/driver.ts'
import { type RandomRun, randomRun } from '../coordinator/random-graph.ts'
import { execute, outcomeOf } from '../coordinator/random-property.ts'
import { UnreliableWorkers } from '../coordinator/random-run.ts'
import { expectedRun, type Step } from '../coordinator/run-model.ts'
import { describeWithRedis, redisUrl } from '../setup/namespace.ts'
import { Tally } from '../setup/tally.ts'

const redis = useRedis()
const MAX_CRASHES = 2
const KEPT = {
  retention: { succeededMs: 3_600_000, failedMs: 7_200_000 },
  maxCrashes: MAX_CRASHES,
}

/** Makes a rerun of the driver's run, and a driver of it that opens it as a worker does. */
async function rerunOf(driver: Driver): Promise<Driver> {
  const { keys, coordinator, graph } = driver
  const reruns = new Reruns(redis(), keys, KEPT)
  const record = rerunOptions('', await driver.read(), { by: 'hand', strategy: 'from-failure' })
  const created = await reruns.create(driver.runId, record, { by: 'hand' }, 0, null)
  if (created.status !== 'ok') throw new Error(`refused: ${created.reason}`)
  const handlers = new Handlers([], [])
  const around = {
    coordinator,
    handlers,
    reruns,
    reader: new RunReader(redis(), keys),
    graphs: new Graphs(coordinator, handlers),
    durations: new TaskDurations(),
    settings: readWorkerOptions({ redis: redisUrl() }),
    logger: pino({ level: 'silent' }),
    hooks: {},
  }
  const open = async (delivery: Delivery, free: number): Promise<ClaimAnswer> => {
    const job = {
      id: created.runId,
      queue: 'default',
      name: `default:${created.runId}`,
      token: delivery.token,
      priority: 0,
      data: {},
      started: delivery.started,
      seen: delivery.seen,
      isFirstDelivery: true,
      isFresh: true,
      runId: created.runId,
      progress: null,
      setProgress: () => Promise.resolve(),
    }
    const answer = await openRerun(around, job, delivery, { free, isolated: true })
    if ('status' in answer) return answer
    throw new Error(`it was not opened: ${answer.kind}`)
  }
  const namespace = /^\{(.*):0\}$/.exec(keys.prefix)?.[1] ?? ''
  const known = { runId: created.runId, open }
  return new Driver(redis(), graph, { namespace, maxCrashes: MAX_CRASHES, known })
}

const next = fc.constantFrom<Step>('succeed', 'succeed', 'fail', 'skip')

describeWithRedis(
  'a rerun of any run',
  () => {
    test('ends as if what it keeps had happened in it, whatever crashes and repetitions it met', async () => {
      const tally = new Tally()
      await fc.assert(
        fc.asyncProperty(
          randomRun,
          fc.infiniteStream(next),
          fc.infiniteStream(fc.nat()),
          async (run, steps, draws) => {
            const choose = (choices: number) =>
              Number(draws.next().value ?? 0) % Math.max(1, choices)
            const { driver, workers } = await execute(redis(), run, choose)
            const before = await driver.read()
            const plan = planRerun(run.graph.graph, before.nodes, 'from-failure')
            tally.add(`repeated ${before.state}`)
            if (!executesAnything(run.graph.graph, plan)) return
            for (const { action, reason } of plan) tally.add(`${action} ${reason}`)

            const rerun = await rerunOf(driver)
            const anew: RandomRun = {
              graph: run.graph,
              steps: run.steps.map(() => [steps.next().value as Step]),
            }
            const others = new UnreliableWorkers(rerun, anew, choose)
            await others.work()

            const isKept = (index: number) => plan[index]?.action !== 'execute'
            const happened = (index: number) =>
              (isKept(index) ? workers : others).happened[index] ?? []
            const { state, nodes } = expectedRun(run.graph, happened, MAX_CRASHES)
            expect(await outcomeOf(rerun)).toEqual({
              state,
              nodes: nodes.map((node, index) => (isKept(index) ? { ...node, attempts: 0 } : node)),
            })
            expect(await driver.read()).toEqual({
              ...before,
              reruns: [rerun.runId],
              graph: expect.anything(),
            })
            expect(await redis().hgetall(driver.keys.out(rerun.runId))).toMatchObject(
              await resultsOf(driver, isKept),
            )
          },
        ),
        { numRuns: 300 },
      )
      console.table(tally.table)
      expect(tally.rarerThan(20, EVERYTHING)).toEqual([])
    }, 240_000)
  },
  { needs: 'real' },
)

const EVERYTHING = [
  'repeated failed',
  'execute failed',
  'execute upstream_failed',
  'execute upstream_executes',
  'execute needed_by_failed',
  'reuse succeeded',
  'reuse forgiven',
  'skip skipped',
]

async function resultsOf(driver: Driver, isKept: (index: number) => boolean) {
  const results = await redis().hgetall(driver.keys.out(driver.runId))
  return Object.fromEntries(Object.entries(results).filter(([index]) => isKept(Number(index))))
}
