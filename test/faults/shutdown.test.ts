import { writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { describeWithRedis } from '../setup/namespace.ts'
import { kindsOf, nodeOf, runEnd, TEST_TIMEOUT_MS } from '../worker/scene.ts'
import { expectAgreement } from './harness/agreement.ts'
import { openFaultScene } from './harness/fault-scene.ts'

describeWithRedis(
  'a worker process that gets SIGTERM',
  () => {
    describe('in a handler', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
      test('lets the handler end, then exits with 0', async ({ onTestFinished }) => {
        const scene = openFaultScene('one', onTestFinished)
        const release = `${scene.effects.path}-release`
        const worker = await scene.startProcess({
          stop: { point: 'handler', node: 'a', attempt: 1, release },
          shutdownTimeoutMs: 60_000,
          leaseMs: 15_000,
        })
        const run = await scene.enqueue()
        await worker.says('reached')
        worker.send('SIGTERM')
        writeFileSync(release, '')

        expect(await worker.exited).toEqual({ code: 0, signal: null })
        const ended = await runEnd(run)
        expect(ended.state).toBe('succeeded')
        expect(kindsOf(ended, 'a')).toEqual([])
        expect(scene.effects.of('start')).toEqual(['a#1'])
        expectAgreement(ended, scene.effects.read())
      })

      test('hands the node back when the handler outlasts the shutdown timeout', async ({
        onTestFinished,
      }) => {
        const scene = openFaultScene('one', onTestFinished)
        const release = `${scene.effects.path}-release`
        const worker = await scene.startProcess({
          stop: { point: 'handler', node: 'a', attempt: 1, release },
          shutdownTimeoutMs: 200,
          leaseMs: 15_000,
        })
        const run = await scene.enqueue()
        await worker.says('reached')
        worker.send('SIGTERM')
        await scene.startHealthyWorker()
        const ended = await runEnd(run)
        writeFileSync(release, '')

        expect(await worker.exited).toEqual({ code: 0, signal: null })
        expect(ended.state).toBe('succeeded')
        expect(kindsOf(ended, 'a')).toEqual(['interrupted'])
        expect(nodeOf(ended, 'a')).toMatchObject({ attempts: 2, retriesUsed: 0, crashes: 0 })
        expect(scene.effects.of('aborted')).toEqual(['a#1'])
        expect(scene.effects.of('start')).toEqual(['a#1', 'a#2'])
      })
    })
  },
  { needs: 'real' },
)
