import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { CompiledGraph } from '../../src/flow/compile.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { Driver, useRedis } from './driver.ts'
import { endedRows, type RandomRun, randomRun, UnreliableWorkers } from './random-run.ts'
import { type ExpectedRun, expectedRun } from './run-model.ts'

const redis = useRedis()
const MAX_CRASHES = 1

async function execute(run: RandomRun, choose: (choices: number) => number) {
  const driver = new Driver(redis(), run.graph, { maxCrashes: MAX_CRASHES })
  const workers = new UnreliableWorkers(driver, run, choose)
  await workers.work()
  return { driver, workers }
}

async function compare(driver: Driver, expected: ExpectedRun): Promise<void> {
  const { state, nodes } = await driver.read()
  const actual = nodes.map(({ state, attempts, forgiven, causedBy }) => ({
    state,
    attempts,
    forgiven,
    causedBy,
  }))
  expect({ state, nodes: actual }).toEqual(expected)
  expect(await driver.leftovers()).toEqual([])
}

describeWithRedis(
  'any run',
  () => {
    test('ends as the model says, whatever order, crashes and repetitions it met', async () => {
      await fc.assert(
        fc.asyncProperty(randomRun, fc.infiniteStream(fc.nat()), async (run, draws) => {
          const { driver } = await execute(run, chooser(draws))
          await compare(
            driver,
            expectedRun(run.graph, (i) => run.steps[i] ?? [], MAX_CRASHES),
          )
          for (const { attempts, log, state } of (await driver.read()).nodes) {
            const unsuccessful = state === 'succeeded' && attempts > 0 ? attempts - 1 : attempts
            expect(log.map(({ attempt }) => attempt)).toEqual(
              Array.from({ length: unsuccessful }, (_, i) => i + 1),
            )
          }
        }),
        { numRuns: 150 },
      )
    }, 120_000)

    test('ends as if the failed node had succeeded at once, after it was retried by hand', async () => {
      await fc.assert(
        fc.asyncProperty(randomRun, fc.infiniteStream(fc.nat()), async (run, draws) => {
          const choose = chooser(draws)
          const { driver, workers } = await execute(run, choose)
          const rows = await endedRows(driver)
          const row = rows[choose(rows.length)]
          if (!row) return
          const before = await driver.read()
          const started = descendantsOf(run.graph, row.index).some(
            (index) => (before.nodes[index]?.attempts ?? 0) > 0,
          )
          await workers.pressRetry(row)
          const after = await driver.read()
          if (started) {
            expect([after.state, after.nodes]).toEqual([before.state, before.nodes])
            return
          }
          const stepsOf = (index: number) =>
            index === row.index ? ['succeed' as const] : (run.steps[index] ?? [])
          const { state, nodes } = expectedRun(run.graph, stepsOf, MAX_CRASHES)
          const attempts = after.nodes[row.index]?.attempts ?? 0
          expect(attempts).toBe((before.nodes[row.index]?.attempts ?? 0) + 1)
          const expected = nodes.map((node, i) => (i === row.index ? { ...node, attempts } : node))
          await compare(driver, { state, nodes: expected })
        }),
        { numRuns: 150 },
      )
    }, 120_000)
  },
  { needs: 'real' },
)

function chooser(draws: IterableIterator<number>): (choices: number) => number {
  return (choices) => Number(draws.next().value ?? 0) % Math.max(1, choices)
}

function descendantsOf({ graph }: CompiledGraph, root: number): number[] {
  const found = new Set([root])
  for (const [index, { upstreams }] of graph.nodes.entries()) {
    if (upstreams.some((upstream) => found.has(upstream))) found.add(index)
  }
  found.delete(root)
  return [...found]
}
