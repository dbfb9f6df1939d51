import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { policy, task } from '../../src/index.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import {
  eventually,
  kindsOf,
  nodeOf,
  openScene,
  runEnd,
  stopReasonOf,
  TEST_TIMEOUT_MS,
} from './scene.ts'

function withMessage(error: Error, message: unknown): Error {
  return Object.defineProperty(error, 'message', { value: message })
}

function hostile(): unknown {
  return new Proxy(new Error('hidden'), {
    get() {
      throw new Error('no')
    },
  })
}

const THROWN: readonly { name: string; make: () => unknown; message: RegExp }[] = [
  { name: 'null', make: () => null, message: /null/ },
  { name: 'undefined', make: () => undefined, message: /undefined/ },
  { name: 'a string', make: () => 'out of paper', message: /out of paper/ },
  { name: 'a number', make: () => 404, message: /404/ },
  { name: 'a symbol', make: () => Symbol('s'), message: /Symbol\(s\)/ },
  { name: 'a plain object', make: () => ({ code: 7 }), message: /"code":7/ },
  { name: 'a frozen error', make: () => Object.freeze(new Error('frozen')), message: /^frozen$/ },
  { name: 'an error without text', make: () => withMessage(new Error('x'), ''), message: /^$/ },
  {
    name: 'an error whose message is no text',
    make: () => withMessage(new Error('x'), undefined),
    message: /./,
  },
  { name: 'an error of several lines', make: () => new Error('a|b\nc|d'), message: /^a\|b\nc\|d$/ },
  { name: 'a very long error', make: () => new Error('x'.repeat(50_000)), message: /^x{8192}…$/ },
  { name: 'an error that throws when it is read', make: hostile, message: /.*/ },
  {
    name: 'an aggregate',
    make: () => new AggregateError([new Error('a')], 'several'),
    message: /^several$/,
  },
  {
    name: 'BullMQ’s way to fail for good',
    make: () => Object.assign(new Error('stop'), { name: 'UnrecoverableError' }),
    message: /^stop$/,
  },
  {
    name: 'BullMQ’s way to wait',
    make: () => Object.assign(new Error('wait'), { name: 'DelayedError' }),
    message: /^wait$/,
  },
]

const WAYS = [
  {
    way: 'thrown',
    fail: (value: unknown) => {
      throw value
    },
  },
  { way: 'rejected with', fail: (value: unknown) => Promise.reject(value) },
] as const

const ROWS = THROWN.flatMap((thrown) => WAYS.map((way) => ({ ...thrown, ...way })))

describeWithRedis('a failure that is', () => {
  describe('ordinary', { concurrent: true, timeout: TEST_TIMEOUT_MS }, () => {
    test.for(ROWS)(
      '$way $name is recorded and retried',
      async ({ make, message, fail }, context) => {
        const scene = openScene(context.onTestFinished)
        const failing = task(
          {
            name: 'failing',
            input: z.object({}),
            retry: policy.constant({ delay: 1, maxRetries: 2 }),
          },
          (): unknown => fail(make()),
        )
        await scene.startWorker({ tasks: [failing] })
        const run = await scene.producer.enqueue(failing, {})
        const ended = await runEnd(run)

        expect(ended.state).toBe('failed')
        expect(kindsOf(ended, 'failing')).toEqual(['error', 'error', 'error'])
        expect(stopReasonOf(ended, 'failing')).toBe('exhausted')
        for (const { error } of nodeOf(ended, 'failing').log)
          expect(error?.message).toMatch(message)
        await eventually(async () => {
          const [job] = await scene.queue().getFailed()
          expect(job?.failedReason ?? '').toMatch(message)
        })
      },
    )
  })
})
