import { expect, test } from 'vitest'
import type { RunSnapshot } from '../../../src/index.ts'
import { describeWithRedis } from '../../setup/namespace.ts'
import { seeded } from '../../setup/seeded.ts'
import { Tally } from '../../setup/tally.ts'
import { openScene, runEnd, type Scene, TEST_TIMEOUT_MS } from '../../worker/scene.ts'
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
    const ending = `${skipReason ?? state}${forgiven ? ', forgiven' : ''}`
    tally.add(`${ruleOf(item)} ${ending}`)
    if (item.kind === 'task' && item.isRun) {
      tally.add(`run node${item.inside === undefined ? '' : ' of an item'} ${ending}`)
    }
    if (item.kind !== 'task' || (state !== 'succeeded' && state !== 'failed')) return
    const { last, errors, by } = item.script
    tally.add(`attempts: ${errors > 0 ? `${by}, then ` : ''}${last}`)
  })
}

function ruleOf(item: Item): string {
  if (item.kind === 'map') return item.inside === undefined ? `map of ${item.form}` : 'map in a map'
  if (item.kind === 'group') return item.tolerate === null ? 'group' : 'tolerant group'
  if (item.kind !== 'task') return item.kind
  const { trigger } = item
  return typeof trigger === 'string' ? trigger : `${trigger.kind} ${trigger.of}`
}

/** What a test of maps in maps, and of child runs, must have met. */
const RARE = [
  ...['map of nested', 'map in a map', 'run node of an item'].map((kind) => `${kind} succeeded`),
  ...['run node succeeded', 'run node failed'],
]

interface ChildEnds {
  readonly node: string
  /** Of each child run that a node had, one after the other. */
  readonly ends: readonly string[]
}

/** How the child runs of a run have ended, in the order of its nodes. */
async function childEnds(
  { producer }: Scene,
  { nodes, children }: RunSnapshot,
): Promise<ChildEnds[]> {
  const found = nodes.map(async ({ key }) => {
    const own = children.filter(({ node }) => node === key)
    const ends = await Promise.all(own.map(({ runId }) => producer.run(runId).state()))
    return { node: key, ends }
  })
  return (await Promise.all(found)).filter(({ ends }) => ends.length > 0)
}

/** A node whose work is a child run has one for each attempt; all but the last have failed. */
function childEndsOf(program: Program, { nodes }: Expectation): ChildEnds[] {
  return program.flatMap((item, i) => {
    const node = nodes[i]
    if (item.kind !== 'task' || !item.isRun || !node || node.attempts === 0) return []
    const failed = Array.from({ length: node.attempts - 1 }, () => 'failed')
    return [{ node: item.key, ends: [...failed, node.state] }]
  })
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
        const children = await childEnds(scene, ended)
        expect(children, `the child runs of ${shown}`).toEqual(childEndsOf(program, expected))
        count(tally, program, expected)
        for (const { ends } of children) for (const end of ends) tally.add(`child run ${end}`)
      }
      console.table(tally.table)
      expect(tally.rarerThan(100, ['child run succeeded', 'child run failed'])).toEqual([])
      expect(tally.rarerThan(20, RARE)).toEqual([])
    })
  },
  { needs: 'real' },
)
