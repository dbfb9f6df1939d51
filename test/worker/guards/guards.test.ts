import { expect, test } from 'vitest'
import { z } from 'zod'
import { workerLost } from '../../../src/core/failure.ts'
import { task } from '../../../src/index.ts'
import { startProgram } from '../../cli/fixtures.ts'
import { describeWithRedis, redisUrl } from '../../setup/namespace.ts'
import { kindsOf, nodeOf, openScene, runEnd, type Scene, stopReasonOf } from '../scene.ts'
import { HOSTILE_POLICIES } from './hostile-policies.ts'

const PROCESS = 'test/worker/guards/guard-process.ts'
/** A policy has 5 s to answer; the rest is for a slow machine. */
const REASON_WITHIN_MS = 8_000

async function startGuardProcess({ namespace }: Scene, leaseMs = 15_000) {
  const program = startProgram(PROCESS, [redisUrl(), namespace, String(leaseMs)])
  await program.outputMatching(/ready/)
  return program
}

describeWithRedis('a worker process', () => {
  test('outlives every policy: the node has its reason, and the next job runs', {
    timeout: 120_000,
  }, async ({ onTestFinished }) => {
    const scene = openScene(onTestFinished)
    const { process: child } = await startGuardProcess(scene)
    const slowest = { name: '', ms: 0 }
    for (const [n, { name, reason, retries }] of HOSTILE_POLICIES.entries()) {
      const before = performance.now()
      const run = await scene.producer.enqueue({ task: 'failing' }, {}, { retry: name })
      const following = await scene.producer.enqueue({ task: 'next' }, { n })
      const ended = await runEnd(run)
      const ms = performance.now() - before
      if (ms > slowest.ms) Object.assign(slowest, { name, ms })
      expect(ms, name).toBeLessThan(REASON_WITHIN_MS)
      expect(stopReasonOf(ended, 'failing'), name).toBe(reason)
      expect(nodeOf(ended, 'failing').retriesUsed, name).toBe(retries)
      expect(await following.result({ timeout: '30s' }), name).toBe(n)
    }
    expect(child.exitCode).toBeNull()
    console.log(
      `${HOSTILE_POLICIES.length} hostile policies; slowest: ${slowest.name}, ${Math.round(slowest.ms)} ms`,
    )
  })
})

describeWithRedis('a policy that burns its CPU', () => {
  test('ends as crash_loop', { timeout: 120_000 }, async ({ onTestFinished }) => {
    const scene = openScene(onTestFinished)
    const leaseMs = 2_000
    const burnt = [await startGuardProcess(scene, leaseMs), await startGuardProcess(scene, leaseMs)]
    const run = await scene.producer.enqueue({ task: 'burning' }, {})
    for (const program of burnt) await program.outputMatching(/burning/)
    // A third worker finds the second process lost too.
    const known = task({ name: 'burning', input: z.object({}) }, () => 'not called')
    const other = task({ name: 'other', input: z.object({}) }, () => 'served')
    await scene.startWorker({ tasks: [known, other], stalledInterval: '300ms' })
    const ended = await runEnd(run)
    expect(kindsOf(ended, 'burning')).toEqual(['crash', 'crash'])
    expect(stopReasonOf(ended, 'burning')).toBe('crash_loop')
    // Policies match a crash by this error, which a script writes.
    expect(nodeOf(ended, 'burning').log[0]?.error).toEqual(workerLost)
    const served = await scene.producer.enqueue(other, {})
    expect(await served.result({ timeout: '30s' })).toBe('served')
  })
})
