import { describe, expect, test } from 'vitest'
import { describeWithRedis } from '../setup/namespace.ts'
import {
  eventually,
  kindsOf,
  nodeOf,
  runEnd,
  runWith,
  stopReasonOf,
  TEST_TIMEOUT_MS,
} from '../worker/scene.ts'
import { expectAgreement } from './harness/agreement.ts'
import { killAt, openFaultScene } from './harness/fault-scene.ts'

describeWithRedis(
  'a worker killed after the settle of a final failure',
  () => {
    describe('the redelivered job', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
      test.for(['settled', 'finish'] as const)(
        'at the point %s fails again without executing, and can be retried by hand',
        async (point, { onTestFinished }) => {
          const scene = openFaultScene('with-doomed', onTestFinished)
          const run = await killAt(scene, { point, node: 'm', attempt: 1 })
          const [job] = await eventually(async () => {
            const failed = await scene.queue().getFailed()
            expect(failed).toHaveLength(1)
            return failed
          })
          const failed = await runEnd(run)
          expect(job?.failedReason).toBe('failure 1 of m')
          expect(failed.state).toBe('failed')
          expect(kindsOf(failed, 'm')).toEqual(['error'])
          expect(stopReasonOf(failed, 'm')).toBe('exhausted')
          expect(nodeOf(failed, 'z').state).toBe('upstream_failed')
          expect(scene.effects.of('start')).toEqual(['a#1', 'm#1'])
          expectAgreement(failed, scene.effects.read())

          await job?.retry('failed')
          await runWith(run, 'z', 'succeeded')
          const ended = await runEnd(run)
          expect(ended.state).toBe('succeeded')
          expect(kindsOf(ended, 'm')).toEqual(['error', 'retried'])
          expect(scene.effects.of('start')).toEqual(['a#1', 'm#1', 'm#2', 'z#1'])
          expectAgreement(ended, scene.effects.read())
        },
      )

      test('of a manual retry whose worker is killed loses the attempt as a crash', async ({
        onTestFinished,
      }) => {
        const scene = openFaultScene('with-doomed', onTestFinished)
        const victim = await scene.startProcess({
          stop: { point: 'handler', node: 'm', attempt: 2 },
        })
        const run = await scene.enqueue()
        await runEnd(run)
        const [job] = await eventually(async () => {
          const failed = await scene.queue().getFailed()
          expect(failed).toHaveLength(1)
          return failed
        })
        await job?.retry('failed')
        await victim.says('reached')
        await victim.kill()
        await scene.startHealthyWorker()
        const ended = await runEnd(run)

        expect(ended.state).toBe('succeeded')
        expect(kindsOf(ended, 'm')).toEqual(['error', 'retried', 'crash'])
        expect(scene.effects.of('start')).toEqual(['a#1', 'm#1', 'm#2', 'm#3', 'z#1'])
        expectAgreement(ended, scene.effects.read())
      })
    })
  },
  { needs: 'real' },
)
