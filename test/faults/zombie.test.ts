import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { RunHandle } from '../../src/index.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { eventually, kindsOf, runEnd, runWith, TEST_TIMEOUT_MS } from '../worker/scene.ts'
import { expectAgreement } from './harness/agreement.ts'
import { type FaultScene, openFaultScene } from './harness/fault-scene.ts'
import type { StopPoint } from './harness/orders.ts'
import type { WorkerProcess } from './harness/worker-process.ts'

const THREE_LEASES_MS = 3_000

interface Sleeper {
  readonly run: RunHandle<string>
  readonly process: WorkerProcess
  /** Lets the process, once it is awake, go on from its stop point. */
  release(): void
}

/** A worker process that was stopped at the point, for three leases, while a healthy worker ended its run. */
async function sleepThrough(scene: FaultScene, point: StopPoint): Promise<Sleeper> {
  const release = `${scene.effects.path}-release`
  const process = await scene.startProcess({ stop: { point, node: 'a', attempt: 1, release } })
  const run = await scene.enqueue()
  await process.says('reached')
  process.send('SIGSTOP')
  const [healthy] = await Promise.all([scene.startHealthyWorker(), sleep(THREE_LEASES_MS)])
  await runEnd(run)
  await healthy.close()
  return { run, process, release: () => writeFileSync(release, '') }
}

/** The zombie is no zombie for ever: it serves the next run. */
async function expectService(scene: FaultScene): Promise<void> {
  const next = await scene.enqueue()
  await runWith(next, 'a', 'succeeded')
}

describeWithRedis(
  'a worker stopped with SIGSTOP for three leases',
  () => {
    describe('when it wakes', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
      test('is told that its settle is superseded', async ({ onTestFinished }) => {
        const scene = openFaultScene('one', onTestFinished)
        const { run, process, release } = await sleepThrough(scene, 'settle')
        const before = await runEnd(run)
        release()
        process.send('SIGCONT')
        await eventually(() => expect(scene.effects.of('refused')).toEqual(['a#1']))

        const refusal = scene.effects.read().find(({ kind }) => kind === 'refused')
        expect(refusal?.detail).toBe('superseded')
        expect(await runEnd(run)).toEqual({ ...before, graph: expect.anything() })
        expect(kindsOf(before, 'a')).toEqual(['crash'])
        expect(scene.effects.of('start')).toEqual(['a#1', 'a#2'])
        expectAgreement(before, scene.effects.read())
        await expectService(scene)
      })

      test('has the signal of its handler aborted, and settles nothing', async ({
        onTestFinished,
      }) => {
        const scene = openFaultScene('one', onTestFinished)
        const { run, process, release } = await sleepThrough(scene, 'handler')
        const before = await runEnd(run)
        process.send('SIGCONT')
        await eventually(() => expect(scene.effects.of('aborted')).toEqual(['a#1']))
        const abort = scene.effects.read().find(({ kind }) => kind === 'aborted')
        expect(abort?.detail).toBe('lease_lost')
        release()
        await expectService(scene)

        expect(await runEnd(run)).toEqual({ ...before, graph: expect.anything() })
        expect(kindsOf(before, 'a')).toEqual(['crash'])
        const ofRun = scene.effects.read().filter((effect) => effect.run === run.id)
        expect(ofRun.filter(({ kind }) => kind === 'start').map(({ attempt }) => attempt)).toEqual([
          1, 2,
        ])
        expect(ofRun.filter(({ kind }) => kind === 'settled' || kind === 'refused')).toEqual([])
      })

      test('finds its nodes taken when it wakes before its claim', async ({ onTestFinished }) => {
        const scene = openFaultScene('one', onTestFinished)
        const { run, process, release } = await sleepThrough(scene, 'claim')
        release()
        process.send('SIGCONT')
        await expectService(scene)

        const ended = await runEnd(run)
        expect(kindsOf(ended, 'a')).toEqual([])
        expectAgreement(ended, scene.effects.read())
      })
    })
  },
  { needs: 'real' },
)
