import { describe, expect, test } from 'vitest'
import { describeWithRedis } from '../setup/namespace.ts'
import { kindsOf, nodeOf, runEnd, stopReasonOf, TEST_TIMEOUT_MS } from '../worker/scene.ts'
import { expectAgreement } from './harness/agreement.ts'
import { type FaultScene, killAt, openFaultScene } from './harness/fault-scene.ts'

/** Kills one worker process after the other in the handler of `node`, as often as is said. */
async function killAgain(scene: FaultScene, node: string, crashes: number): Promise<void> {
  for (let attempt = 2; attempt <= crashes; attempt++) {
    const victim = await scene.startProcess({ stop: { point: 'handler', node, attempt } })
    await victim.says('reached')
    await victim.kill()
  }
}

describeWithRedis(
  'a node whose workers are killed in its handler',
  () => {
    describe('maxCrashes', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
      test('of the default lets it crash three times, and fails it at the fourth', async ({
        onTestFinished,
      }) => {
        const scene = openFaultScene('one', onTestFinished)
        const first = await scene.startProcess({
          stop: { point: 'handler', node: 'a', attempt: 1 },
        })
        const run = await scene.enqueue()
        await first.says('reached')
        await first.kill()
        await killAgain(scene, 'a', 4)
        await scene.startHealthyWorker()
        const ended = await runEnd(run)

        expect(ended.state).toBe('failed')
        expect(kindsOf(ended, 'a')).toEqual(['crash', 'crash', 'crash', 'crash'])
        expect(stopReasonOf(ended, 'a')).toBe('crash_loop')
        expect(scene.effects.of('start')).toEqual(['a#1', 'a#2', 'a#3', 'a#4'])
        expectAgreement(ended, scene.effects.read())
      })

      test('finds the poisonous node of a fan-out, and spares its neighbours', async ({
        onTestFinished,
      }) => {
        const scene = openFaultScene('inline', onTestFinished)
        const first = await scene.startProcess({
          stop: { point: 'handler', node: 'f2', attempt: 1 },
        })
        const run = await scene.enqueue()
        await first.says('reached')
        await first.kill()
        await killAgain(scene, 'f2', 4)
        await scene.startHealthyWorker()
        const ended = await runEnd(run)

        expect(ended.state).toBe('failed')
        expect(stopReasonOf(ended, 'f2')).toBe('crash_loop')
        expect(nodeOf(ended, 'f2').crashes).toBe(4)
        for (const neighbour of ['f1', 'f3']) {
          expect(nodeOf(ended, neighbour).state).toBe('succeeded')
          expect(nodeOf(ended, neighbour).crashes).toBeLessThanOrEqual(2)
        }
        expect(nodeOf(ended, 'j')).toMatchObject({ state: 'upstream_failed', causedBy: 'f2' })
        expectAgreement(ended, scene.effects.read())
      })

      test('of the task holds: with 0 a lost node is never started again', async ({
        onTestFinished,
      }) => {
        const scene = openFaultScene('with-fragile', onTestFinished)
        const run = await killAt(scene, { point: 'handler', node: 'm', attempt: 1 })
        const ended = await runEnd(run)

        expect(kindsOf(ended, 'm')).toEqual(['crash'])
        expect(stopReasonOf(ended, 'm')).toBe('crash_loop')
        expect(nodeOf(ended, 'z').state).toBe('upstream_failed')
        expect(scene.effects.of('start')).toEqual(['a#1', 'm#1'])
      })

      test('of a task that runs on its own holds', async ({ onTestFinished }) => {
        const scene = openFaultScene('one', onTestFinished)
        const victim = await scene.startProcess({
          stop: { point: 'handler', node: 'fragile', attempt: 1 },
        })
        const run = await scene.producer.enqueue({ task: 'fragile' }, { after: [] })
        await victim.says('reached')
        await victim.kill()
        await scene.startHealthyWorker()
        const ended = await runEnd(run)

        expect(stopReasonOf(ended, 'fragile')).toBe('crash_loop')
        expect(scene.effects.of('start')).toEqual(['fragile#1'])
      })

      test('given at enqueue holds', async ({ onTestFinished }) => {
        const scene = openFaultScene('one', onTestFinished)
        const victim = await scene.startProcess({
          stop: { point: 'handler', node: 'a', attempt: 1 },
        })
        const run = await scene.producer.enqueue(
          { flow: 'one' },
          { start: 'x' },
          { retry: { kind: 'none', maxCrashes: 0 } },
        )
        await victim.says('reached')
        await victim.kill()
        await scene.startHealthyWorker()
        const ended = await runEnd(run)

        expect(stopReasonOf(ended, 'a')).toBe('crash_loop')
        expect(scene.effects.of('start')).toEqual(['a#1'])
      })

      test('is 0 for a policy whose kinds lack crash', async ({ onTestFinished }) => {
        const scene = openFaultScene('one', onTestFinished)
        const victim = await scene.startProcess({
          stop: { point: 'handler', node: 'a', attempt: 1 },
        })
        const run = await scene.producer.enqueue(
          { flow: 'one' },
          { start: 'x' },
          { retry: { kind: 'constant', delay: 10, maxRetries: 5, kinds: ['error'] } },
        )
        await victim.says('reached')
        await victim.kill()
        await scene.startHealthyWorker()
        const ended = await runEnd(run)

        expect(stopReasonOf(ended, 'a')).toBe('crash_loop')
        expect(scene.effects.of('start')).toEqual(['a#1'])
      })
    })
  },
  { needs: 'real' },
)
