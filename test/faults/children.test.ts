import { expect, test } from 'vitest'
import { describeWithRedis } from '../setup/namespace.ts'
import { kindsOf, runEnd, TEST_TIMEOUT_MS } from '../worker/scene.ts'
import { expectAgreement } from './harness/agreement.ts'
import { killAt, openFaultScene } from './harness/fault-scene.ts'
import type { StopPoint } from './harness/orders.ts'

/** What the history of the node says after a kill at this point. */
const POINTS: readonly (readonly [StopPoint, readonly string[]])[] = [
  ['handler', ['crash']],
  ['settle', ['crash']],
  ['settled', []],
]

describeWithRedis(
  'a worker killed after its handler started runs',
  () => {
    test.for(POINTS)(
      'at the point %s starts them once',
      { timeout: TEST_TIMEOUT_MS },
      async ([point, history], { onTestFinished }) => {
        const scene = openFaultScene('with-children', onTestFinished)
        const run = await killAt(scene, { point, node: 'm', attempt: 1 })
        const ended = await runEnd(run)
        const children = ended.children.map(({ runId }) => runId)

        expect(kindsOf(ended, 'm')).toEqual(history)
        expect(children).toHaveLength(2)
        for (const id of children) {
          const child = await runEnd(scene.producer.run(id))
          expect(child.state).toBe('succeeded')
          expectAgreement(child, scene.effects.read())
        }
        const runs = new Set(scene.effects.read().map((effect) => effect.run))
        expect(runs).toEqual(new Set([run.id, ...children]))
      },
    )
  },
  { needs: 'real' },
)
