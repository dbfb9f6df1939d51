import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { flow, policy, task } from '../../src/index.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { kindsOf, nodeOf, openScene, runEnd, stopReasonOf, TEST_TIMEOUT_MS } from './scene.ts'

const retry = policy.constant({ delay: 1, maxRetries: 3 })

function throwing(): never {
  throw new Error('the schema itself is broken')
}

describeWithRedis('an input', () => {
  describe('of a node', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test.for([
      {
        name: 'that does not fit',
        schema: z.object({ n: z.string() }),
        message: /expected string/,
      },
      {
        name: 'whose schema throws',
        schema: z.object({ n: z.number().transform(throwing) }),
        message: /broken/,
      },
      {
        name: 'whose asynchronous schema rejects',
        schema: z.object({ n: z.number().refine(async () => throwing()) }),
        message: /broken/,
      },
    ])('$name fails the node once, before its handler', async ({ schema, message }, context) => {
      const scene = openScene(context.onTestFinished)
      let executions = 0
      const give = task({ name: 'give', input: z.object({}) }, (): unknown => 1)
      // The types would forbid a number where a string is expected.
      const take = task(
        { name: 'take', input: z.object({ n: z.unknown() }).pipe(schema), retry },
        () => {
          executions++
        },
      )
      const pair = flow({ name: 'pair', input: z.object({}) }, () => take({ n: give({}) }))
      await scene.startWorker({ flows: [pair] })
      const ended = await runEnd(await scene.producer.enqueue(pair, {}))

      expect(ended.state).toBe('failed')
      expect(kindsOf(ended, 'take')).toEqual(['error'])
      expect(stopReasonOf(ended, 'take')).toBe('invalid_input')
      expect(nodeOf(ended, 'take').log[0]?.error?.message).toMatch(message)
      expect(executions).toBe(0)
    })
  })

  describe('of a run', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test('whose schema throws fails the run at once', async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const step = task({ name: 'step', input: z.object({}) }, () => 1)
      const broken = flow(
        { name: 'broken', input: z.object({ n: z.number().transform(throwing) }) },
        () => step({}),
      )
      await scene.startWorker({ flows: [broken] })
      const run = await scene.producer.enqueue({ flow: 'broken' }, { n: 1 })
      const ended = await runEnd(run)
      expect(ended.refusal?.reason).toBe('invalid_input')
      expect(ended.refusal?.error.message).toMatch(/broken/)
    })
  })
})
