import { writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { childRunId } from '../../src/core/ids.ts'
import type { RunHandle } from '../../src/index.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { kindsOf, nodeOf, runEnd, TEST_TIMEOUT_MS } from '../worker/scene.ts'
import { expectAgreement } from './harness/agreement.ts'
import { type FaultScene, killAt, openFaultScene } from './harness/fault-scene.ts'
import type { StopPoint } from './harness/orders.ts'

interface Kill {
  readonly point: StopPoint
  /** `m` waits for the run of `leaf`. */
  readonly node: 'm' | 'leaf'
  readonly when: string
  /** What the histories of both say afterwards. */
  readonly m: readonly string[]
  readonly leaf: readonly string[]
}

const KILLS: readonly Kill[] = [
  { point: 'awaited', node: 'm', when: 'before the child exists', m: ['crash'], leaf: [] },
  {
    point: 'settle',
    node: 'm',
    when: 'after the child’s job was added, before it waits',
    m: ['crash'],
    leaf: [],
  },
  { point: 'settled', node: 'm', when: 'when it waits', m: [], leaf: [] },
  { point: 'handler', node: 'leaf', when: 'in the child', m: [], leaf: ['crash'] },
  {
    point: 'settled',
    node: 'leaf',
    when: 'after the child ended, before the parent’s ticket was added',
    m: [],
    leaf: [],
  },
  {
    point: 'finish',
    node: 'leaf',
    when: 'after the parent’s ticket was added',
    m: [],
    leaf: [],
  },
  { point: 'read', node: 'm', when: 'when it has read the child', m: ['crash'], leaf: [] },
]

/** Parent and child have ended well, and agree with what was executed: the child once. */
async function expectFamily(
  scene: FaultScene,
  run: RunHandle<string>,
  { m, leaf }: Pick<Kill, 'm' | 'leaf'>,
): Promise<void> {
  const ended = await runEnd(run)
  const childId = childRunId(run.id, 'm', 'leaf#1')
  expect(await run.result()).toBe('z(leaf(a(x)))')
  expect(kindsOf(ended, 'm')).toEqual(m)
  expect(nodeOf(ended, 'm').attempts).toBe(m.length + 1)
  expect(ended.children.map(({ runId }) => runId)).toEqual([childId])

  const child = await runEnd(scene.producer.run(childId))
  expect(kindsOf(child, 'leaf')).toEqual(leaf)
  const effects = scene.effects.read()
  expectAgreement(ended, effects)
  expectAgreement(child, effects)
  expect(effects.filter(({ kind, node }) => kind === 'done' && node === 'leaf')).toHaveLength(1)
  expect(new Set(effects.map((effect) => effect.run))).toEqual(new Set([run.id, childId]))
}

describeWithRedis(
  'a worker killed around a child run that a node waits for',
  () => {
    test.for(KILLS)(
      '$when: the child runs once, and its parent goes on',
      { timeout: TEST_TIMEOUT_MS },
      async (kill, { onTestFinished }) => {
        const scene = openFaultScene('with-run', onTestFinished)
        const { point, node } = kill
        const run = await killAt(scene, { point, node, attempt: 1 })
        await expectFamily(scene, run, kill)
      },
    )

    test.for([
      { fate: 'goes on', kills: false, m: [] },
      { fate: 'is killed', kills: true, m: ['crash'] },
    ])(
      'that $fate after the child ended, before it said that it waits: the child runs once',
      { timeout: TEST_TIMEOUT_MS },
      async ({ kills, m }, { onTestFinished }) => {
        const scene = openFaultScene('with-run', onTestFinished)
        const release = `${scene.effects.path}-release`
        const slow = await scene.startProcess({
          stop: { point: 'settle', node: 'm', attempt: 1, release },
          leaseMs: kills ? 2_000 : 15_000,
        })
        const run = await scene.enqueue()
        await slow.says('reached')
        const child = await runEnd(scene.producer.run(childRunId(run.id, 'm', 'leaf#1')))
        expect(child.state).toBe('succeeded')
        const parent = await run.read()
        expect(parent && nodeOf(parent, 'm').state).toBe('running')
        if (kills) {
          await slow.kill()
          await scene.startHealthyWorker()
        } else {
          writeFileSync(release, '')
        }
        await expectFamily(scene, run, { m, leaf: [] })
      },
    )
  },
  { needs: 'real' },
)
