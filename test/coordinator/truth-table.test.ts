import { expect, test } from 'vitest'
import { readFragment } from '../../src/coordinator/scripts.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { useRedis } from './driver.ts'
import { runsUntilWrong } from './random-mutants.ts'

const redis = useRedis()
const TABLE = 'lib/triggers'
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
      expect(await runsUntilWrong(redis(), TABLE, table, RUNS)).toBeNull()
    }, 60_000)

    test.each(mutants)(
      'is caught by the random runs: $name',
      async ({ source }) => {
        expect(await runsUntilWrong(redis(), TABLE, source, RUNS)).not.toBeNull()
      },
      60_000,
    )
  },
  { needs: 'real' },
)
