import { expect, test } from 'vitest'
import { type Fragment, readFragment } from '../../src/coordinator/scripts.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { useRedis } from './driver.ts'
import { runsUntilWrong } from './random-mutants.ts'

/** One wrong line of what lets nodes wait for child runs. */
interface Mutant {
  readonly name: string
  readonly fragment: Fragment
  readonly line: string
  readonly wrong: string
}

const MUTANTS: readonly Mutant[] = [
  {
    name: 'the child does not know who waits for it',
    fragment: 'await-child',
    line: "call('HSET', childHash, 'wt', run .. '|' .. index)",
    wrong: '',
  },
  {
    name: 'a child that has ended is waited for',
    fragment: 'settle',
    line: "local hasEnded = state and state ~= 'R'",
    wrong: 'local hasEnded = false',
  },
  {
    name: 'the child that was read is kept',
    fragment: 'settle',
    line: 'for i = 1, #children do letGo(children[i]) end',
    wrong: '',
  },
  {
    name: 'the child that was not read is kept',
    fragment: 'lib/crash',
    line: 'for _, child in ipairs(change.unread or {}) do letGo(child) end',
    wrong: '',
  },
  {
    name: 'a node that waited goes on in a new attempt',
    fragment: 'lib/run-end',
    line: "ticket, node.retries, node.crashes, node.start, '')",
    wrong: "ticket, node.retries, node.crashes, '', '')",
  },
  {
    name: 'a child that is delivered again is not told the ticket of its parent',
    fragment: 'lib/run-end',
    line: 'return joinTickets(toAdd, released)',
    wrong: 'return toAdd',
  },
  {
    name: 'a refusal lets nobody go on',
    fragment: 'refuse',
    line: "return {'ok', afterEnd(run, KEPT_FAILED)}",
    wrong: "keepFor(run, KEPT_FAILED) return {'ok', ''}",
  },
  {
    name: 'a cancel lets nobody go on',
    fragment: 'cancel',
    line: "return {'ok', afterEnd(run, KEPT_FAILED), isToSweep(run)}",
    wrong: "keepFor(run, KEPT_FAILED) return {'ok', '', isToSweep(run)}",
  },
]

const RUNS = 150
const redis = useRedis()

describeWithRedis(
  'what lets nodes wait for child runs',
  () => {
    test.each(MUTANTS)(
      'is right where the random runs would see: $name',
      async ({ fragment, line, wrong }) => {
        const source = readFragment(fragment)
        expect(source.split(line)).toHaveLength(2)
        const mutant = source.replace(line, () => wrong)
        expect(await runsUntilWrong(redis(), fragment, mutant, RUNS)).not.toBeNull()
      },
      240_000,
    )
  },
  { needs: 'real' },
)
