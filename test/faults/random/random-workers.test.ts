import { expect, test } from 'vitest'
import { describeWithRedis } from '../../setup/namespace.ts'
import { seeded } from '../../setup/seeded.ts'
import { Tally } from '../../setup/tally.ts'
import { openScene, runEnd, TEST_TIMEOUT_MS } from '../../worker/scene.ts'
import { describeProgram, drawProgram, type Item, type Program } from './program.ts'
import { programFlow } from './program-flow.ts'
import { type Expectation, expectationOf } from './reference.ts'

const PROGRAMS = 300
/** A seed to repeat, as a failed test prints it; null: a new one each time. */
const SEED_TO_REPEAT: number | null = null

/** How often what happened, per kind of node. */
function count(tally: Tally, program: Program, { run, nodes }: Expectation): void {
  tally.add(`run ${run}`)
  program.forEach((item, i) => {
    if (!nodes[i]) return
    const { state = '', forgiven = false, skipReason } = nodes[i]
    tally.add(`${ruleOf(item)} ${skipReason ?? state}${forgiven ? ', forgiven' : ''}`)
    if (item.kind !== 'task' || (state !== 'succeeded' && state !== 'failed')) return
    const { last, errors, by } = item.script
    tally.add(`attempts: ${errors > 0 ? `${by}, then ` : ''}${last}`)
  })
}

function ruleOf(item: Item): string {
  if (item.kind === 'map')
    return `map of ${item.form}${item.inside === undefined ? '' : ', in a map'}`
  if (item.kind === 'group') return item.tolerate === null ? 'group' : 'tolerant group'
  if (item.kind !== 'task') return item.kind
  const { trigger } = item
  return typeof trigger === 'string' ? trigger : `${trigger.kind} ${trigger.of}`
}

describeWithRedis(
  'random programs through two workers',
  () => {
    test('end as the reference model says: states, forgiveness and attempts of all nodes', {
      timeout: TEST_TIMEOUT_MS,
    }, async ({ onTestFinished }) => {
      const seed = SEED_TO_REPEAT ?? Date.now() % 2 ** 32
      console.log(`seed of the random programs: ${seed}`)
      const draw = seeded(seed)
      const programs = Array.from({ length: PROGRAMS }, (_, i) => {
        const program = drawProgram(draw)
        return { program, ...programFlow(`p${i}`, program) }
      })
      const scene = openScene(onTestFinished)
      const options = {
        flows: programs.flatMap(({ flow, child }) => [flow, child]),
        queues: { default: { concurrency: 8 }, side: { concurrency: 4 } },
        leaseDuration: 5_000,
        stalledInterval: 500,
      }
      await Promise.all([scene.startWorker(options), scene.startWorker(options)])
      const runs = await Promise.all(
        programs.map(({ flow }) => scene.producer.enqueue(flow, { start: 'x' })),
      )

      const tally = new Tally()
      for (const [i, { program }] of programs.entries()) {
        const ended = await runEnd(runs[i] ?? scene.producer.run(''))
        const expected = expectationOf(program)
        const shown = `program ${i} of seed ${seed}:\n${describeProgram(program)}`
        const nodes = ended.nodes.map(({ state, forgiven, attempts, skipReason }) => ({
          skipReason,
          state,
          forgiven,
          attempts,
        }))
        expect({ run: ended.state, nodes }, shown).toEqual({
          run: expected.run,
          nodes: expected.nodes.filter((node) => node !== null),
        })
        for (const node of ended.nodes) {
          const numbers = node.log.map(({ attempt }) => attempt)
          if (node.state === 'succeeded' && node.attempts > 0) numbers.push(node.attempts)
          expect(numbers, `the history of ${node.key} in ${shown}`).toEqual(
            Array.from({ length: node.attempts }, (_, n) => n + 1),
          )
        }
        count(tally, program, expected)
      }
      console.table(tally.table)
    })
  },
  { needs: 'real' },
)
