import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { RunSnapshot, SkipReason } from '../../src/coordinator/run-snapshot.ts'
import type { CompiledGraph } from '../../src/flow/compile.ts'
import { type GraphNode, isWorkNode } from '../../src/flow/graph.ts'
import { templateOf } from '../../src/flow/instances.ts'
import { NAMED_TRIGGERS } from '../../src/flow/trigger.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { Tally } from '../setup/tally.ts'
import { useRedis } from './driver.ts'
import { endedRows } from './ended-rows.ts'
import { randomRun } from './random-graph.ts'
import { begin, execute, expected, outcomeOf, placesIn, wrongChildren } from './random-property.ts'
import { descendantsOf, type ExpectedRun, forgivable, type Place } from './run-model.ts'

const RUNS = 1_900

/** Checks are made side by side: most of their time is Redis' answers' way. */
const LANES = 3

const redis = useRedis()
describeWithRedis(
  'any run',
  () => {
    test('ends as the model says, whatever order, crashes and repetitions it met', async () => {
      const tally = new Tally()
      await hold(
        RUNS,
        fc.asyncProperty(randomRun, fc.infiniteStream(fc.nat()), async (run, draws) => {
          const { driver, workers } = await execute(redis(), run, chooser(draws))
          const { run: ended, outcome } = await outcomeOf(driver)
          const model = expected(run, workers, ended)
          expect(outcome).toEqual(model)
          expect(await wrongChildren(workers)).toEqual([])
          count(tally, run.graph, ended, model)
          for (const [event, times] of workers.events) tally.add(event, times)
          for (const { attempts, log, state } of ended.nodes) {
            const unsuccessful = state === 'succeeded' && attempts > 0 ? attempts - 1 : attempts
            expect(log.map(({ attempt }) => attempt)).toEqual(
              Array.from({ length: unsuccessful }, (_, i) => i + 1),
            )
          }
        }),
      )
      console.table(tally.table)
      expect(tally.rarerThan(500, EVERYTHING)).toEqual([])
      expect(tally.rarerThan(100, EVENTS)).toEqual([])
    }, 600_000)

    test('ends as if the failed node had succeeded at once, after it was retried by hand', async () => {
      await hold(
        300,
        fc.asyncProperty(randomRun, fc.infiniteStream(fc.nat()), async (run, draws) => {
          const choose = chooser(draws)
          const { driver, workers } = await execute(redis(), run, choose)
          const rows = await endedRows(driver)
          const row = rows[choose(rows.length)]
          if (!row) return
          const byName = choose(2) === 0 ? row.indices[choose(row.indices.length)] : undefined
          const retried = byName === undefined ? row.indices : [byName]
          const before = await driver.read()
          const places = placesIn(run.graph, before)
          const nodeOf = new Map(before.nodes.map((node) => [node.index, node]))
          const hasStarted = ({ index }: Place) => (nodeOf.get(index)?.attempts ?? 0) > 0
          const hasForgiven = (place: Place) =>
            nodeOf.get(place.index)?.state === 'succeeded' &&
            forgivable(run.graph, places, place).some(({ index }) => nodeOf.get(index)?.forgiven)
          const descendants = descendantsOf(
            run.graph,
            places,
            retried,
            (index) => nodeOf.get(index)?.state === 'succeeded',
          )
          const isRefused =
            (byName !== undefined && before.state === 'succeeded') ||
            descendants.some((place) => hasStarted(place) || hasForgiven(place))
          const below = descendants.map(({ index }) => index)
          if (byName === undefined) await workers.pressRetry(row, below)
          else await workers.retryNode(byName, below)
          const after = await driver.read()
          if (isRefused) {
            expect([after.state, after.nodes]).toEqual([before.state, before.nodes])
            return
          }
          const { run: ended, outcome } = await outcomeOf(driver)
          expect(await wrongChildren(workers)).toEqual([])
          const { state, nodes } = expected(run, workers, ended)
          expect(outcome).toEqual({
            state,
            nodes: nodes.map((node, i) => {
              const { index = -1 } = ended.nodes[i] ?? {}
              if (!retried.includes(index)) return node
              return { ...node, attempts: (nodeOf.get(index)?.attempts ?? 0) + node.attempts }
            }),
          })
        }),
      )
    }, 120_000)

    test('that is cancelled at any time leaves no attempt and no child that goes on', async () => {
      const tally = new Tally()
      await hold(
        200,
        fc.asyncProperty(randomRun, fc.infiniteStream(fc.nat()), async (run, draws) => {
          const choose = chooser(draws)
          const { driver, workers } = begin(redis(), run, choose)
          workers.cancel(driver, choose(60))
          await workers.work()
          const { state } = await driver.read()
          tally.add(`run ${state}`)
          expect(await wrongChildren(workers)).toEqual([])
          if (state !== 'cancelled') await outcomeOf(driver)
          for (const child of workers.children) tally.add(`child ${await child.driver.field('s')}`)
        }),
      )
      console.table(tally.table)
      expect(tally.rarerThan(20, ['run cancelled', 'child C', 'child S'])).toEqual([])
    }, 120_000)
  },
  { needs: 'real' },
)

/** Checks a property so often. */
async function hold<T>(runs: number, property: fc.IAsyncPropertyWithHooks<T>): Promise<void> {
  // Shrinking takes minutes: repeat the seed and path that a failure prints without this to get a smaller run.
  const settings = { numRuns: Math.ceil(runs / LANES), endOnFailure: true }
  await Promise.all(Array.from({ length: LANES }, () => fc.assert(property, settings)))
}

const VIRTUAL = [
  'run',
  ...['gate', 'join', 'first', 'settled', 'succeeded', 'item'],
  ...['map', 'map in a map', 'group', 'tolerant group'],
]
const COUNTS = ['at_least', 'at_most'].flatMap((kind) => [`${kind} success`, `${kind} failed`])
const SKIPS: SkipReason[] = ['upstream_skipped', 'not_needed', 'condition', 'thrown']

/** How a child ends, seen from its node, and what that makes of the node. */
const CHILD_ENDS = [
  ...['succeeded', 'failed', 'refused', 'cancelled'].map((end) => `child read: ${end}`),
  ...['failed by a child', 'failed by a child, and retried'],
  ...['child ended before awaiting', 'child ended after awaiting'],
]

/** What comes between nodes and their children. */
const EVENTS = [
  'of run of an item',
  'child of a child started',
  'child retried by hand',
  'worker lost: before the job of the child',
  'worker lost: after the job of the child',
  'job of a child lost',
  'waiting node given to a new ticket',
  'awaiting settled again, late',
  'run paused',
  'run resumed, with parked nodes',
]

/** Every trigger, virtual node, child's end and outcome. */
const EVERYTHING = [
  ...CHILD_ENDS,
  ...[...NAMED_TRIGGERS, ...COUNTS, ...VIRTUAL].map((rule) => `of ${rule}`),
  ...['succeeded', 'failed', 'failed, forgiven', 'upstream_failed', 'upstream_failed, forgiven'],
  ...SKIPS.map((reason) => `skipped ${reason}`),
]

function count(
  tally: Tally,
  { graph }: CompiledGraph,
  { nodes }: RunSnapshot,
  model: ExpectedRun,
): void {
  tally.add(`run ${model.state}`)
  for (const [i, { index }] of nodes.entries()) {
    const node = graph.nodes[templateOf(index)]
    if (!node) throw new Error(`no node ${index}`)
    const { state, forgiven, skipReason } = model.nodes[i] ?? {}
    tally.add(`of ${ruleText(node)}`)
    if (node.kind === 'run') tally.add(`of run${node.map === undefined ? '' : ' of an item'}`)
    if (node.map !== undefined) tally.add('of an item')
    tally.add(`${state}${forgiven ? ', forgiven' : ''}${skipReason ? ` ${skipReason}` : ''}`)
  }
}

function ruleText(node: GraphNode): string {
  if (node.kind === 'map') return node.map === undefined ? 'map' : 'map in a map'
  if (node.kind === 'group') return node.tolerate === undefined ? 'group' : 'tolerant group'
  if (!isWorkNode(node)) return node.kind
  const { trigger } = node
  return typeof trigger === 'string' ? trigger : `${trigger.kind} ${trigger.of}`
}

function chooser(draws: IterableIterator<number>): (choices: number) => number {
  return (choices) => Number(draws.next().value ?? 0) % Math.max(1, choices)
}
