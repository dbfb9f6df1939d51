import { isDeepStrictEqual } from 'node:util'
import type { RedisConnection } from '../../src/coordinator/connection.ts'
import type { RunSnapshot } from '../../src/coordinator/run-snapshot.ts'
import type { Script } from '../../src/coordinator/scripts.ts'
import { isFinalNodeState, type NodeState } from '../../src/core/states.ts'
import type { CompiledGraph } from '../../src/flow/compile.ts'
import { templateOf } from '../../src/flow/instances.ts'
import { Driver } from './driver.ts'
import { UnreliableWorkers } from './random-family.ts'
import type { RandomRun } from './random-graph.ts'
import type { RunWork } from './random-run.ts'
import { type ExpectedRun, expectedRun, type Place } from './run-model.ts'

const MAX_CRASHES = 2

/** How long the driver's runs are kept after their end, at most. */
const KEPT_MS = 7_200_000

interface Execution {
  readonly driver: Driver
  readonly workers: UnreliableWorkers
}

/** Makes the workers of a random graph; `script`: other scripts than the real ones. */
export function begin(
  redis: RedisConnection,
  run: RandomRun,
  choose: (choices: number) => number,
  script?: Script,
): Execution {
  const driver = new Driver(redis, run.graph, {
    maxCrashes: MAX_CRASHES,
    ...(script && { script }),
  })
  const workers = new UnreliableWorkers(driver, run, choose)
  if (choose(4) === 0) workers.pause(driver, choose(40))
  return { driver, workers }
}

/** The same, and runs it to its end. */
export async function execute(...run: Parameters<typeof begin>): Promise<Execution> {
  const execution = begin(...run)
  await execution.workers.work()
  return execution
}

/** How the run should have ended, given what happened to its attempts. */
export function expected(
  run: RandomRun,
  { happened }: Pick<UnreliableWorkers, 'happened'>,
  ended: RunSnapshot,
): ExpectedRun {
  const places = placesIn(run.graph, ended)
  const model = expectedRun(run.graph, places, (index) => happened.get(index) ?? [], MAX_CRASHES)
  for (const [i, { index }] of places.entries()) {
    const isMap = run.graph.instances.bodies.has(templateOf(index))
    if (!isMap || model.nodes[i]?.state !== 'succeeded') continue
    const made = itemsOf(run.graph, places, index)
    if (made !== run.itemsOf(index)) throw new Error(`${places[i]?.key} made ${made} items`)
  }
  return model
}

/** What is wrong with the child runs of a run that has ended: how they ended, and what is left of them. */
export async function wrongChildren({ children }: UnreliableWorkers): Promise<string[]> {
  const found = await Promise.all(
    children.map(async (child) => {
      const problem = await problemOf(child)
      return problem === null ? [] : [`${child.driver.runId}: ${problem}`]
    }),
  )
  return found.flat()
}

async function problemOf({ driver, run, fate, happened, wasRetried, wasDelivered }: RunWork) {
  // Its job was lost, and its node failed before anybody looked.
  if (!wasDelivered) return null
  const { redis, keys, runId } = driver
  const ttl = await redis.pttl(keys.run(runId))
  if (ttl < 0 || ttl > KEPT_MS) return `it is kept for ${ttl} ms`
  if ((await redis.zscore(keys.live, runId)) !== null) return 'it is still among the live ones'
  const state = await driver.field('s')
  if (state === 'C') return null
  if (fate === 'refused') return state === 'X' ? null : `it was refused, and is ${state}`
  const { run: ended, outcome } = await outcomeOf(driver)
  // A retry by hand adds to the attempts that were made before: what came of it is to be read only.
  if (wasRetried || isDeepStrictEqual(outcome, expected(run, { happened }, ended))) return null
  return `it ended otherwise than the model says: ${JSON.stringify(outcome)}`
}

/** The nodes that a run had. */
export function placesIn({ instances }: CompiledGraph, { nodes }: RunSnapshot): Place[] {
  return nodes.map(({ index, key }) => {
    const { template, levels } = instances.locate(index)
    return { index, key, template, positions: levels.map(({ position }) => position) }
  })
}

function itemsOf({ instances }: CompiledGraph, places: readonly Place[], map: number): number {
  const at = instances.locate(map)
  const positions = places.flatMap(({ index }) => {
    const { levels } = instances.locate(index)
    const level = levels[at.levels.length]
    const isInside =
      level?.map === at.template &&
      levels[at.levels.length - 1]?.instance === at.levels.at(-1)?.instance
    return level && isInside ? [level.position] : []
  })
  return new Set(positions).size
}

/**
 * How it ended.
 *
 * @throws Error if the run has left something behind that should be gone
 */
export async function outcomeOf(driver: Driver) {
  const leftovers = await driver.leftovers()
  if (leftovers.length > 0) throw new Error(`the run left ${leftovers.join(', ')}`)
  const run = await driver.read()
  return { run, outcome: outcomeIn(run) }
}

/** How a run ended, as the model tells it. */
function outcomeIn({ state, nodes }: RunSnapshot): ExpectedRun {
  if (state !== 'succeeded' && state !== 'failed') throw new Error(`the run is ${state}`)
  return {
    state,
    nodes: nodes.map(({ state, attempts, forgiven, causedBy, causes, skipReason }) => ({
      state: finalState(state),
      attempts,
      forgiven,
      causedBy,
      causes,
      skipReason,
    })),
  }
}

function finalState(state: NodeState) {
  if (!isFinalNodeState(state)) throw new Error(`a node is ${state}`)
  return state
}
