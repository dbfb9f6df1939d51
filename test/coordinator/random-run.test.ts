import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { SkipReason } from '../../src/coordinator/run-snapshot.ts'
import type { CompiledGraph } from '../../src/flow/compile.ts'
import type { GraphNode } from '../../src/flow/graph.ts'
import { NAMED_TRIGGERS } from '../../src/flow/trigger.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { Tally } from '../setup/tally.ts'
import { useRedis } from './driver.ts'
import { randomRun } from './random-graph.ts'
import { execute, expected, outcomeOf } from './random-property.ts'
import { endedRows } from './random-run.ts'
import type { ExpectedRun } from './run-model.ts'

const redis = useRedis()
describeWithRedis(
  'any run',
  () => {
    test('ends as the model says, whatever order, crashes and repetitions it met', async () => {
      const tally = new Tally()
      await fc.assert(
        fc.asyncProperty(randomRun, fc.infiniteStream(fc.nat()), async (run, draws) => {
          const { driver, workers } = await execute(redis(), run, chooser(draws))
          const model = expected(run, workers)
          expect(await outcomeOf(driver)).toEqual(model)
          count(tally, run.graph.graph.nodes, model)
          for (const { attempts, log, state } of (await driver.read()).nodes) {
            const unsuccessful = state === 'succeeded' && attempts > 0 ? attempts - 1 : attempts
            expect(log.map(({ attempt }) => attempt)).toEqual(
              Array.from({ length: unsuccessful }, (_, i) => i + 1),
            )
          }
        }),
        { numRuns: 1_250 },
      )
      console.table(tally.table)
      expect(tally.rarerThan(500, EVERYTHING)).toEqual([])
    }, 300_000)

    test('ends as if the failed node had succeeded at once, after it was retried by hand', async () => {
      await fc.assert(
        fc.asyncProperty(randomRun, fc.infiniteStream(fc.nat()), async (run, draws) => {
          const choose = chooser(draws)
          const { driver, workers } = await execute(redis(), run, choose)
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
          const descendants = descendantsOf(run.graph, row.indices)
          const isRefused = descendants.some((index) => hasStarted(index) || hasForgiven(index))
          await workers.pressRetry(row, descendants)
          const after = await driver.read()
          if (isRefused) {
            expect([after.state, after.nodes]).toEqual([before.state, before.nodes])
            return
          }
          const { state, nodes } = expected(run, workers)
          expect(await outcomeOf(driver)).toEqual({
            state,
            nodes: nodes.map((node, i) =>
              row.indices.includes(i)
                ? { ...node, attempts: (before.nodes[i]?.attempts ?? 0) + node.attempts }
                : node,
            ),
          })
        }),
        { numRuns: 200 },
      )
    }, 120_000)
  },
  { needs: 'real' },
)

const COUNTS = ['at_least', 'at_most'].flatMap((kind) => [`${kind} success`, `${kind} failed`])
const SKIPS: SkipReason[] = ['upstream_skipped', 'not_needed', 'condition', 'thrown']

/** Every trigger, virtual node and outcome. */
const EVERYTHING = [
  ...[...NAMED_TRIGGERS, ...COUNTS, 'gate', 'join', 'first', 'settled'].map((rule) => `of ${rule}`),
  ...['succeeded', 'failed', 'failed, forgiven', 'upstream_failed', 'upstream_failed, forgiven'],
  ...SKIPS.map((reason) => `skipped ${reason}`),
]

function count(tally: Tally, nodes: readonly GraphNode[], model: ExpectedRun): void {
  tally.add(`run ${model.state}`)
  for (const [index, node] of nodes.entries()) {
    const { state, forgiven, skipReason } = model.nodes[index] ?? {}
    tally.add(`of ${ruleText(node)}`)
    tally.add(`${state}${forgiven ? ', forgiven' : ''}${skipReason ? ` ${skipReason}` : ''}`)
  }
}

function ruleText(node: GraphNode): string {
  if (node.kind !== 'task') return node.kind
  const { trigger } = node
  return typeof trigger === 'string' ? trigger : `${trigger.kind} ${trigger.of}`
}

function chooser(draws: IterableIterator<number>): (choices: number) => number {
  return (choices) => Number(draws.next().value ?? 0) % Math.max(1, choices)
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
