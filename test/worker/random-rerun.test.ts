import fc from 'fast-check'
import { expect, test } from 'vitest'
import { executesAnything, planRerun } from '../../src/flow/rerun-plan.ts'
import { type Driver, useRedis } from '../coordinator/driver.ts'
import { UnreliableWorkers } from '../coordinator/random-family.ts'
import { plainRandomRun, type RandomRun, randomRun } from '../coordinator/random-graph.ts'
import { execute, expected, outcomeOf } from '../coordinator/random-property.ts'
import { createdRerun, rerunsOf } from '../coordinator/rerun-driver.ts'
import type { Step } from '../coordinator/run-model.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { Tally } from '../setup/tally.ts'

const redis = useRedis()
const MAX_CRASHES = 2
const next = fc.constantFrom<Step>('succeed', 'succeed', 'fail', 'skip')

describeWithRedis(
  'a rerun of any run',
  () => {
    test('ends as if what it keeps had happened in it, whatever crashes and repetitions it met', async () => {
      const tally = new Tally()
      await fc.assert(
        fc.asyncProperty(
          plainRandomRun,
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

            const rerun = await createdRerun(driver, rerunsOf(driver, MAX_CRASHES), MAX_CRASHES)
            const others = new UnreliableWorkers(rerun, anew(run, steps), choose)
            await others.work()

            const isKept = (index: number) => plan[index]?.action !== 'execute'
            const happened = new Map(
              plan.map((_, index) => [
                index,
                (isKept(index) ? workers : others).happened.get(index) ?? [],
              ]),
            )
            const { run: ended, outcome } = await outcomeOf(rerun)
            const { state, nodes } = expected(run, { happened }, ended)
            expect(outcome).toEqual({
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

    test('of everything ends as a run of its own, with its maps', async () => {
      await fc.assert(
        fc.asyncProperty(
          randomRun,
          fc.infiniteStream(next),
          fc.infiniteStream(fc.nat()),
          async (run, steps, draws) => {
            const choose = (choices: number) =>
              Number(draws.next().value ?? 0) % Math.max(1, choices)
            const { driver } = await execute(redis(), run, choose)
            const reruns = rerunsOf(driver, MAX_CRASHES)
            const rerun = await createdRerun(driver, reruns, MAX_CRASHES, 'all')
            const repeated = anew(run, steps)
            const workers = new UnreliableWorkers(rerun, repeated, choose)
            await workers.work()
            const { run: ended, outcome } = await outcomeOf(rerun)
            expect(outcome).toEqual(expected(repeated, workers, ended))
          },
        ),
        { numRuns: 60 },
      )
    }, 240_000)
  },
  { needs: 'real' },
)

/** The same run with other ends of its nodes. */
function anew(run: RandomRun, steps: IterableIterator<Step>): RandomRun {
  const drawn = new Map<number, Step[]>()
  return {
    ...run,
    stepsOf: (index) => {
      const known = drawn.get(index) ?? [steps.next().value as Step]
      drawn.set(index, known)
      return known
    },
  }
}

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
