import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { CompiledGraph } from '../../src/flow/compile.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { Driver, useRedis } from './driver.ts'
import { endedRows, type RandomRun, randomRun, UnreliableWorkers } from './random-run.ts'
import { type ExpectedRun, expectedRun } from './run-model.ts'

const redis = useRedis()
const MAX_CRASHES = 2

async function execute(run: RandomRun, choose: (choices: number) => number) {
  const driver = new Driver(redis(), run.graph, { maxCrashes: MAX_CRASHES })
  const workers = new UnreliableWorkers(driver, run, choose)
  await workers.work()
  return { driver, workers }
}

async function compare(driver: Driver, model: ExpectedRun): Promise<void> {
  const { state, nodes } = await driver.read()
  const actual = nodes.map(({ state, attempts, forgiven, causedBy }) => ({
    state,
    attempts,
    forgiven,
    causedBy,
  }))
  expect({ state, nodes: actual }).toEqual(model)
  expect(await driver.leftovers()).toEqual([])
}

describeWithRedis(
  'any run',
  () => {
    test('ends as the model says, whatever order, crashes and repetitions it met', async () => {
      await fc.assert(
        fc.asyncProperty(randomRun, fc.infiniteStream(fc.nat()), async (run, draws) => {
          const { driver, workers } = await execute(run, chooser(draws))
          await compare(driver, expected(run, workers))
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
          const hasStarted = (index: number) => (before.nodes[index]?.attempts ?? 0) > 0
          const hasForgiven = (index: number) => {
            const { kind, upstreams } = run.graph.graph.nodes[index] ?? {}
            const succeeded = before.nodes[index]?.state === 'succeeded'
            return kind === 'join' && succeeded && before.nodes[upstreams?.[0] ?? -1]?.forgiven
          }
          const isRefused = descendantsOf(run.graph, row.indices).some(
            (index) => hasStarted(index) || hasForgiven(index),
          )
          await workers.pressRetry(row)
          const after = await driver.read()
          if (isRefused) {
            expect([after.state, after.nodes]).toEqual([before.state, before.nodes])
            return
          }
          const { state, nodes } = expected(run, workers)
          await compare(driver, {
            state,
            nodes: nodes.map((node, i) =>
              row.indices.includes(i)
                ? { ...node, attempts: (before.nodes[i]?.attempts ?? 0) + node.attempts }
                : node,
            ),
          })
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

function expected({ graph }: RandomRun, { happened }: UnreliableWorkers): ExpectedRun {
  return expectedRun(graph, (index) => happened[index] ?? [], MAX_CRASHES)
}

function descendantsOf({ graph }: CompiledGraph, roots: readonly number[]): number[] {
  const found = new Set<number>()
  for (const [index, { upstreams }] of graph.nodes.entries()) {
    if (upstreams.some((upstream) => found.has(upstream) || roots.includes(upstream))) {
      found.add(index)
    }
  }
  return [...found]
}
