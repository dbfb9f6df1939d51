import { afterEach, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { Coordinator } from '../../src/coordinator/coordinator.ts'
import { task } from '../../src/index.ts'
import { RunningAttempts } from '../../src/worker/aborts.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { eventually, newGate, openScene, runEnd, TEST_TIMEOUT_MS } from './scene.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

describeWithRedis('a grant that arrives after the shutdown interrupted everything', () => {
  test('does not keep the worker from closing', { timeout: TEST_TIMEOUT_MS }, async ({
    onTestFinished,
  }) => {
    const scene = openScene(onTestFinished)
    const [answer, handler] = [newGate(), newGate()]
    onTestFinished(async () => handler.open())
    const { open } = Coordinator.prototype
    const opening = vi.spyOn(Coordinator.prototype, 'open').mockImplementation(async function (
      this: Coordinator,
      ...args
    ) {
      const granted = await open.apply(this, args)
      await answer.opened
      return granted
    })
    const interrupting = vi.spyOn(RunningAttempts.prototype, 'interruptAll')
    let starts = 0
    const deaf = task({ name: 'deaf', input: z.object({}) }, async (_, { attempt }) => {
      starts++
      if (attempt === 1) await handler.opened
      return attempt
    })
    const worker = await scene.startWorker({ tasks: [deaf], shutdownTimeout: 0 })
    const run = await scene.producer.enqueue(deaf, {})
    await eventually(() => expect(opening).toHaveBeenCalled())
    let isClosed = false
    const closing = worker.close().then(() => {
      isClosed = true
    })
    await eventually(() => expect(interrupting).toHaveBeenCalled())
    answer.open()
    await eventually(() => expect(isClosed).toBe(true))
    await closing

    await scene.startWorker({ tasks: [deaf] })
    expect((await runEnd(run)).state).toBe('succeeded')
    expect(starts).toBeLessThanOrEqual(2)
  })
})
