import type { RedisConnection } from '../../src/coordinator/connection.ts'
import type { Script } from '../../src/coordinator/scripts.ts'
import { Driver } from './driver.ts'
import type { RandomRun } from './random-graph.ts'
import { UnreliableWorkers } from './random-run.ts'
import { type ExpectedRun, expectedRun } from './run-model.ts'

const MAX_CRASHES = 2

/** Runs a random graph to its end; `script`: other scripts than the real ones. */
export async function execute(
  redis: RedisConnection,
  run: RandomRun,
  choose: (choices: number) => number,
  script?: Script,
): Promise<{ readonly driver: Driver; readonly workers: UnreliableWorkers }> {
  const driver = new Driver(redis, run.graph, {
    maxCrashes: MAX_CRASHES,
    ...(script && { script }),
  })
  const workers = new UnreliableWorkers(driver, run, choose)
  await workers.work()
  return { driver, workers }
}

/** How the run should have ended, given what happened to its attempts. */
export function expected({ graph }: RandomRun, { happened }: UnreliableWorkers): ExpectedRun {
  return expectedRun(graph, (index) => happened[index] ?? [], MAX_CRASHES)
}

/**
 * How it ended.
 *
 * @throws Error if the run has left something behind that should be gone
 */
export async function outcomeOf(driver: Driver) {
  const leftovers = await driver.leftovers()
  if (leftovers.length > 0) throw new Error(`the run left ${leftovers.join(', ')}`)
  const { state, nodes } = await driver.read()
  return {
    state,
    nodes: nodes.map(({ state, attempts, forgiven, causedBy, causes, skipReason }) => ({
      state,
      attempts,
      forgiven,
      causedBy,
      causes,
      skipReason,
    })),
  }
}
