import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import type { RedisConnection } from '../../src/coordinator/connection.ts'
import {
  type Fragment,
  loadMoves,
  readFragment,
  type Script,
} from '../../src/coordinator/scripts.ts'
import { seeded } from '../setup/seeded.ts'
import { type RandomRun, randomRun } from './random-graph.ts'
import { execute, expected, outcomeOf, wrongChildren } from './random-property.ts'

const SEED = 4711

/**
 * How many of so many random runs it takes, with another text of one Lua file, until one ends otherwise than the model says;
 * null: all end as it says.
 */
export async function runsUntilWrong(
  redis: RedisConnection,
  fragment: Fragment,
  source: string,
  numRuns: number,
): Promise<number | null> {
  const script = loadMoves((name) => (name === fragment ? source : readFragment(name)))
  const choose = seeded(SEED)
  const runs = fc.sample(randomRun, { seed: SEED, numRuns })
  for (const [i, run] of runs.entries()) {
    const isRight = await endsAsExpected(redis, run, choose, script)
    if (!isRight) return i + 1
  }
  return null
}

async function endsAsExpected(
  redis: RedisConnection,
  run: RandomRun,
  choose: (choices: number) => number,
  script: Script,
): Promise<boolean> {
  try {
    const { driver, workers } = await execute(redis, run, choose, script)
    const { run: ended, outcome } = await outcomeOf(driver)
    if (!isDeepStrictEqual(outcome, expected(run, workers, ended))) return false
    return (await wrongChildren(workers)).length === 0
  } catch {
    // Something was left behind, or a node never ran that the model lets run.
    return false
  }
}
