import { appendFileSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { flow, policy, task } from '../../src/index.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { openScene, TEST_TIMEOUT_MS } from '../worker/scene.ts'
import { EffectsFile } from './harness/effects.ts'

describeWithRedis('a flow whose last task fails twice', () => {
  test('executes create-payload once and ping-service three times', {
    timeout: TEST_TIMEOUT_MS,
  }, async ({ onTestFinished }) => {
    const scene = openScene(onTestFinished)
    const effects = EffectsFile.create()
    onTestFinished(async () => effects.remove())
    const createPayload = task(
      { name: 'create-payload', input: z.object({ topic: z.string() }) },
      ({ topic }) => {
        appendFileSync(effects.path, 'create-payload\n')
        return { url: `https://example.com/${topic}` }
      },
    )
    const pingService = task(
      {
        name: 'ping-service',
        input: z.object({ url: z.url() }),
        retry: policy.exponential({ delay: 50, maxRetries: 5 }),
      },
      ({ url }, { attempt }) => {
        appendFileSync(effects.path, `ping-service ${attempt} ${url}\n`)
        if (attempt < 3) throw new Error('connection refused')
        return 'pong'
      },
    )
    const example = flow(
      { name: 'retry-example', input: z.object({ topic: z.string() }) },
      (input) => pingService({ url: createPayload({ topic: input.topic }).url }),
    )
    await scene.startWorker({ flows: [example] })
    const run = await scene.producer.enqueue(example, { topic: 'x' })

    expect(await run.result({ timeout: '30s' })).toBe('pong')
    expect(readFileSync(effects.path, 'utf8').trimEnd().split('\n')).toEqual([
      'create-payload',
      'ping-service 1 https://example.com/x',
      'ping-service 2 https://example.com/x',
      'ping-service 3 https://example.com/x',
    ])
  })
})
