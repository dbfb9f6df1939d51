import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { loadMoves, readFragment, type Script } from '../../src/coordinator/scripts.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { seeded } from '../setup/seeded.ts'
import { useRedis } from './driver.ts'
import { type RandomRun, randomRun } from './random-graph.ts'
import { execute, expected, outcomeOf } from './random-property.ts'

const redis = useRedis()
const TABLE = 'lib/triggers'
const SEED = 4711
const RUNS = 150

/** Another outcome for each: what a row would say if it were wrong. */
const OTHER: Readonly<Record<string, string>> = { Y: 'N', N: 'Y', U: 'K', K: 'Y', S: 'U' }

interface Mutant {
  readonly name: string
  readonly source: string
}

/** The table with one outcome of one row changed, for every outcome of every row. */
function mutantsOf(table: string): Mutant[] {
  const lines = table.split('\n')
  return lines.flatMap((line, number) => {
    if (!/^ {2}(if|return) .*'[YNUKS]'/.test(line)) return []
    return [...line.matchAll(/(?<=(?:and|or|return) )'([YNUKS])'/g)].map((found) => {
      const { index, 0: text, 1: outcome = '' } = found
      const changed = `${line.slice(0, index)}'${OTHER[outcome]}'${line.slice(index + text.length)}`
      return {
        name: `${line.replace(/.* --? ?|'.*/, '').trim()}: ${OTHER[outcome]} for ${outcome}`,
        source: lines.with(number, changed).join('\n'),
      }
    })
  })
}

/** How many of the random runs it takes until one ends otherwise than the model says; null: all end as it says. */
async function runsUntilWrong(source: string): Promise<number | null> {
  const script = loadMoves((name) => (name === TABLE ? source : readFragment(name)))
  const choose = seeded(SEED)
  const runs = fc.sample(randomRun, { seed: SEED, numRuns: RUNS })
  for (const [i, run] of runs.entries()) {
    const isRight = await endsAsExpected(run, choose, script)
    if (!isRight) return i + 1
  }
  return null
}

async function endsAsExpected(
  run: RandomRun,
  choose: (choices: number) => number,
  script: Script,
): Promise<boolean> {
  try {
    const { driver, workers } = await execute(redis(), run, choose, script)
    const { run: ended, outcome } = await outcomeOf(driver)
    return isDeepStrictEqual(outcome, expected(run, workers, ended))
  } catch {
    // Something was left behind, or a node never ran that the model lets run.
    return false
  }
}

describeWithRedis(
  'the truth table',
  () => {
    const table = readFragment(TABLE)
    const mutants = mutantsOf(table)

    test('has a row for each trigger and virtual node, and an outcome to change in each', () => {
      const rules = [...table.matchAll(/rule == '(\w)'/g)].map(([, rule]) => rule)
      expect(new Set(rules)).toEqual(new Set('snmoOpQfFaqPwzdGJVAi'))
      expect(mutants).toHaveLength(40)
    })

    test('agrees with the model as it is', async () => {
      expect(await runsUntilWrong(table)).toBeNull()
    }, 60_000)

    test.each(mutants)(
      'is caught by the random runs: $name',
      async ({ source }) => {
        expect(await runsUntilWrong(source)).not.toBeNull()
      },
      60_000,
    )
  },
  { needs: 'real' },
)
