import { describe, expect, test } from 'vitest'
import { describeWithRedis } from '../setup/namespace.ts'
import { kindsOf, nodeOf, runEnd, TEST_TIMEOUT_MS } from '../worker/scene.ts'
import { expectAgreement } from './harness/agreement.ts'
import { killAt, openFaultScene } from './harness/fault-scene.ts'
import { LADDER_RESULT } from './harness/fixture-flows.ts'
import type { StopPoint } from './harness/orders.ts'

/** What the history of the node says after a kill at this point. */
const DUE_ENTRIES: Readonly<Partial<Record<StopPoint, readonly string[]>>> = {
  claim: [],
  handler: ['crash'],
  settle: ['crash'],
  settled: [],
  dispatch: [],
  finish: [],
}

const POSITIONS = [
  { node: 'a', position: 'the first node' },
  { node: 'b', position: 'a middle node' },
  { node: 'f2', position: 'a node of a fan-out' },
  { node: 'j', position: 'the join' },
] as const

function points(...of: readonly StopPoint[]) {
  return of.flatMap((point) => POSITIONS.map((position) => ({ point, ...position })))
}

describeWithRedis(
  'a worker killed with SIGKILL',
  () => {
    describe.each(['crossing', 'inline'])('in the flow %s', { concurrent: true }, (flow) => {
      const inOneQueue = flow === 'inline'
      test.for([
        // In one queue a worker may go on with a node without a claim or a dispatch.
        ...(inOneQueue ? [] : points('claim')),
        ...points('handler', 'settled', 'finish'),
        ...(inOneQueue
          ? []
          : [{ point: 'settle', node: 'f2', position: 'a node of a fan-out' } as const]),
        ...(inOneQueue
          ? []
          : [{ point: 'dispatch', node: 'c', position: 'a node before a fan-out' } as const]),
      ])(
        'at the point $point of $position ($node) repeats nothing that was settled',
        { timeout: TEST_TIMEOUT_MS },
        async ({ point, node }, { onTestFinished }) => {
          const scene = openFaultScene(flow, onTestFinished)
          const run = await killAt(scene, { point, node, attempt: 1 })
          const ended = await runEnd(run)

          expect(ended.state).toBe('succeeded')
          expect(await run.result()).toBe(LADDER_RESULT)
          expect(kindsOf(ended, node)).toEqual(DUE_ENTRIES[point])
          expectAgreement(ended, scene.effects.read())
        },
      )
    })

    describe('with a node that is retried', { concurrent: true }, () => {
      test.for([
        { point: 'handler', attempt: 2, history: ['error', 'crash'], retries: 1 },
        { point: 'settled', attempt: 1, history: ['error', 'error'], retries: 2 },
        { point: 'settled', attempt: 2, history: ['error', 'error'], retries: 2 },
        { point: 'finish', attempt: 1, history: ['error', 'error'], retries: 2 },
        { point: 'finish', attempt: 2, history: ['error', 'error'], retries: 2 },
      ] as const)(
        'at the point $point of attempt $attempt loses no retry and grants none twice',
        { timeout: TEST_TIMEOUT_MS },
        async ({ point, attempt, history, retries }, { onTestFinished }) => {
          const scene = openFaultScene('with-flaky', onTestFinished)
          const run = await killAt(scene, { point, node: 'm', attempt })
          const ended = await runEnd(run)

          expect(ended.state).toBe('succeeded')
          expect(kindsOf(ended, 'm')).toEqual(history)
          expect(nodeOf(ended, 'm')).toMatchObject({ attempts: 3, retriesUsed: retries })
          expect(scene.effects.of('start')).toEqual(['a#1', 'm#1', 'm#2', 'm#3', 'z#1'])
          expectAgreement(ended, scene.effects.read())
          for (const { endedAt, decision, attempt } of nodeOf(ended, 'm').log) {
            if (decision?.action !== 'retry') continue
            const next = nodeOf(ended, 'm').log.find((entry) => entry.attempt === attempt + 1)
            const startedAt = next?.startedAt ?? nodeOf(ended, 'm').startedAt ?? 0
            expect(startedAt - endedAt).toBeGreaterThanOrEqual(decision.delayMs)
          }
        },
      )
    })
  },
  { needs: 'real' },
)
