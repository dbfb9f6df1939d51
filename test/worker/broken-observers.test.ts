import { expect, test } from 'vitest'
import { z } from 'zod'
import { policy, task } from '../../src/index.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { openScene } from './scene.ts'

function broken(): never {
  throw new Error('the disk is full')
}

describeWithRedis('a logger and hooks that throw', () => {
  test('change nothing: each attempt is executed and settled once', async ({ onTestFinished }) => {
    const scene = openScene(onTestFinished)
    const attempts: number[] = []
    const flaky = task(
      { name: 'flaky', input: z.object({}), retry: policy.constant({ delay: 1, maxRetries: 1 }) },
      (_, ctx) => {
        attempts.push(ctx.attempt)
        if (ctx.attempt === 1) throw new Error('not yet')
        return 'done'
      },
    )
    const logger = { debug: broken, info: broken, warn: broken, error: broken, child: broken }
    const hooks = { onAttemptStarted: broken, onAttemptEnded: broken, onRunEnded: broken }
    await scene.startWorker({ tasks: [flaky], logger, hooks })
    const run = await scene.producer.enqueue(flaky, {})
    expect(await run.result()).toBe('done')
    expect(attempts).toEqual([1, 2])
    const [node] = (await run.read())?.nodes ?? []
    expect(node?.log.map(({ kind }) => kind)).toEqual(['error'])
  })
})
