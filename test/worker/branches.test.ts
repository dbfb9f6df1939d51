import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import {
  and,
  atLeast,
  fail,
  firstOf,
  flow,
  is,
  not,
  or,
  policy,
  Skip,
  settled,
  task,
} from '../../src/index.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import {
  kindsOf,
  newGate,
  nodeOf,
  openScene,
  runEnd,
  runWith,
  stopReasonOf,
  TEST_TIMEOUT_MS,
} from './scene.ts'

const any = z.unknown()
const say = task({ name: 'say', input: z.string() }, (word) => word)
const take = task({ name: 'take', input: any }, (input) => input)

const order = flow(
  { name: 'order', input: z.object({ urgent: z.boolean(), country: z.string() }) },
  (input) => {
    const checked = take.with({ key: 'check' })(input)
    const isHome = is(say.with({ key: 'country' })(input.country), 'NO')
    const express = say.with({ key: 'express', if: and(input.urgent, isHome) })('express')
    const standard = say.with({ key: 'standard', if: not(and(input.urgent, isHome)) })('standard')
    take.with({ key: 'either', after: [checked], if: or(input.urgent, isHome) })({})
    return { sent: firstOf(express, standard), isHome }
  },
)

describeWithRedis('a condition', () => {
  test.each([
    { urgent: true, country: 'NO', sent: 'express', skipped: ['standard'] },
    { urgent: false, country: 'NO', sent: 'standard', skipped: ['express'] },
    { urgent: false, country: 'SE', sent: 'standard', skipped: ['express', 'either'] },
  ])('takes the branch of $urgent and $country', async ({ sent, skipped, ...input }) => {
    const scene = openScene(onTestFinished)
    await scene.startWorker({ flows: [order] })
    const run = await scene.producer.enqueue(order, input)
    expect(await run.result()).toEqual({ sent, isHome: input.country === 'NO' })
    const { state, nodes } = await runEnd(run)
    expect(state).toBe('succeeded')
    const reasons = nodes.flatMap(({ key, skipReason, attempts, startedAt }) =>
      skipReason === null ? [] : [[key, skipReason, attempts, startedAt]],
    )
    expect(reasons).toEqual(skipped.map((key) => [key, 'condition', 0, null]))
  })

  test('that is no boolean is not true, and what waits for the node is skipped', async () => {
    const odd = flow({ name: 'odd', input: z.object({ flag: any }) }, (input) =>
      say(take.with({ if: is(input.flag, true) })('x') as never),
    )
    const scene = openScene(onTestFinished)
    await scene.startWorker({ flows: [odd] })
    const run = await runEnd(await scene.producer.enqueue(odd, { flag: 'true' }))
    expect(run.nodes.map(({ skipReason }) => skipReason)).toEqual(['condition', 'upstream_skipped'])
  })
})

describeWithRedis('a handler', () => {
  test('that throws Skip ends its node as skipped, with the reason in its history', async () => {
    const lazy = task({ name: 'lazy', input: any, retry: 3 }, () => {
      throw new Skip('no orders today')
    })
    const idle = flow({ name: 'idle', input: any }, () => {
      const nothing = lazy({})
      take.with({ key: 'next' })(nothing)
      return settled(nothing).status
    })
    const scene = openScene(onTestFinished)
    await scene.startWorker({ flows: [idle] })
    const run = await scene.producer.enqueue(idle, {})
    expect(await run.result()).toBe('skipped')
    const ended = await runEnd(run)
    expect(ended.state).toBe('succeeded')
    expect(nodeOf(ended, 'lazy')).toMatchObject({
      state: 'skipped',
      skipReason: 'thrown',
      attempts: 1,
      log: [{ attempt: 1, kind: 'skipped', error: { message: 'no orders today' }, decision: null }],
    })
    expect(nodeOf(ended, 'next')).toMatchObject({ skipReason: 'upstream_skipped', attempts: 0 })
    const events: string[] = []
    for await (const { type } of run.events()) events.push(type)
    expect(events.filter((type) => type.startsWith('attempt') || type === 'node.failed')).toEqual([
      'attempt.started',
    ])
  })

  test('that returns fail(error) has failed: its policy is asked', async () => {
    const moody = task(
      { name: 'moody', input: any, retry: policy.constant({ delay: 1, maxRetries: 2 }) },
      (_, ctx) => (ctx.attempt < 2 ? fail('not yet') : { ok: true }),
    )
    const scene = openScene(onTestFinished)
    await scene.startWorker({ tasks: [moody] })
    const run = await scene.producer.enqueue(moody, {})
    expect(await run.result()).toEqual({ ok: true })
    const { log } = nodeOf(await runEnd(run), 'moody')
    expect(log).toMatchObject([{ kind: 'error', error: { name: 'Error', message: 'not yet' } }])
  })

  test.each<[string, (output: { ok: boolean }) => unknown, string, string]>([
    ['gives true', ({ ok }) => !ok, 'ResultRefused', 'gave true for the result'],
    ['throws', () => missing(), 'RangeError', 'no such field'],
    ['gives a promise', async () => false, 'TypeError', 'expected true or false'],
  ])('has failed when its failWhen %s', async (_name, judge, name, message) => {
    const scene = openScene(onTestFinished)
    // What JavaScript lets a user write.
    const failWhen = judge as (output: { ok: boolean }) => boolean
    const retry = policy.constant({ delay: 1, maxRetries: 1 })
    const check = task({ name: 'check', input: any, failWhen, retry }, () => ({ ok: false }))
    await scene.startWorker({ tasks: [check] })
    const ended = await runEnd(await scene.producer.enqueue(check, {}))
    expect(kindsOf(ended, 'check')).toEqual(['error', 'error'])
    expect(stopReasonOf(ended, 'check')).toBe('exhausted')
    const error = { name, message: expect.stringContaining(message) }
    expect(nodeOf(ended, 'check').log[0]?.error).toMatchObject(error)
  })
})

function missing(): never {
  throw new RangeError('no such field')
}

describeWithRedis('a fast trigger', () => {
  test(
    'starts its node while another upstream still runs, once',
    async () => {
      const gate = newGate()
      const broken = task({ name: 'broken', input: any }, () => Promise.reject(new Error('broken')))
      const slow = task({ name: 'slow', input: any }, async () => {
        await gate.opened
        throw new Error('late')
      })
      const race = flow({ name: 'race', input: any }, () => {
        const both = [broken({}), slow({})]
        take.with({ key: 'alarm', trigger: 'any_failed_fast', after: both })('now')
        take.with({ key: 'both', trigger: atLeast(2, 'failed'), after: both })('later')
      })
      const scene = openScene(onTestFinished)
      await scene.startWorker({ flows: [race] })
      const run = await scene.producer.enqueue(race, {})
      const early = await runWith(run, 'alarm', 'succeeded')
      expect(['ready', 'running']).toContain(nodeOf(early, 'slow').state)
      expect(nodeOf(early, 'both').state).toBe('pending')
      gate.open()
      const ended = await runEnd(run)
      expect(ended.state).toBe('failed')
      expect(nodeOf(ended, 'alarm').attempts).toBe(1)
      expect(nodeOf(ended, 'both').state).toBe('succeeded')
    },
    TEST_TIMEOUT_MS,
  )
})

describeWithRedis('succeedsWhen', () => {
  const broken = task({ name: 'broken', input: any }, () => Promise.reject(new Error('broken')))
  const build = () => {
    take.with({ key: 'main' })({})
    broken({})
  }
  const lenient = flow({ name: 'lenient', input: any, succeedsWhen: ['main'] }, build)
  const strict = flow({ name: 'strict', input: any, succeedsWhen: ['broken'] }, build)

  test('lets a run succeed although another node failed', async () => {
    const scene = openScene(onTestFinished)
    await scene.startWorker({ flows: [lenient, strict] })
    const run = await runEnd(await scene.producer.enqueue(lenient, {}))
    expect(run.state).toBe('succeeded')
    expect(nodeOf(run, 'broken')).toMatchObject({ state: 'failed', forgiven: false })
    const failing = await scene.producer.enqueue(strict, {})
    await expect(failing.result()).rejects.toMatchObject({ node: 'broken' })
  })
})
