import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { TaskNode } from '../../src/flow/graph.ts'
import { flow, policy, type RetryOption, task } from '../../src/index.ts'
import { companySize, MAX_COMPANY } from '../../src/worker/company.ts'
import { readWorkerOptions } from '../../src/worker/options.ts'
import { TaskDurations } from '../../src/worker/task-durations.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { openScene, runEnd, TEST_TIMEOUT_MS } from './scene.ts'

describe('companySize', () => {
  const node = (name: string, maxCrashes?: number): TaskNode => ({
    kind: 'task',
    key: name,
    task: name,
    input: { lit: null },
    trigger: 'all_success',
    upstreams: [],
    ...(maxCrashes === undefined ? {} : { maxCrashes }),
  })

  function around(retry?: RetryOption) {
    const durations = new TaskDurations()
    durations.record('short', 1)
    durations.record('long', 100)
    const defaults = retry === undefined ? {} : { retry }
    return { durations, settings: readWorkerOptions({ redis: 'redis://localhost', defaults }) }
  }

  test.each<[string, TaskNode[], number]>([
    ['short tasks', [node('short'), node('short')], MAX_COMPANY],
    ['a task that was never executed', [node('short'), node('unknown')], 1],
    ['a long task', [node('short'), node('long')], 1],
    ['a task that survives no crash', [node('short'), node('short', 0)], 1],
    ['a task that survives one', [node('short', 1)], MAX_COMPANY],
    ['nothing', [], 1],
  ])('for %s', (_name, nodes, size) => {
    expect(companySize(around(), nodes, {})).toBe(size)
  })

  const crashless = policy.constant({ delay: 1, maxRetries: 1, kinds: ['error'] })

  test('for tasks that survive no crash by the worker’s default', () => {
    expect(companySize(around(crashless), [node('short')], {})).toBe(1)
    expect(companySize(around(crashless), [node('short', 2)], {})).toBe(MAX_COMPANY)
  })

  test('for tasks that survive no crash by what the enqueue says', () => {
    expect(companySize(around(), [node('short', 2)], { retry: crashless })).toBe(1)
    expect(companySize(around(), [node('short')], { nodes: { short: { retry: crashless } } })).toBe(
      1,
    )
  })
})

describeWithRedis('a company', () => {
  const input = z.object({ after: z.unknown() })

  test('runs one after the other where only one handler may run', {
    timeout: TEST_TIMEOUT_MS,
  }, async ({ onTestFinished }) => {
    const scene = openScene(onTestFinished)
    let running = 0
    let most = 0
    const step = task({ name: 'step', input }, async (_, { node }) => {
      running += 1
      most = Math.max(most, running)
      await new Promise(setImmediate)
      running -= 1
      return node
    })
    const wide = flow({ name: 'wide', input: z.object({}) }, () => {
      const first = step.with({ key: 'first' })({ after: null })
      return Array.from({ length: 20 }, (_, n) => step.with({ key: `b${n}` })({ after: first }))
    })
    await scene.startWorker({ flows: [wide], queues: { default: { concurrency: 1 } } })
    const { state, nodes } = await runEnd(await scene.producer.enqueue(wide, {}))
    expect(state).toBe('succeeded')
    expect(nodes.map(({ attempts }) => attempts)).toEqual(Array(21).fill(1))
    expect(most).toBe(1)
  })

  test('whose first handler outlasts the lease gives the others back, at no cost', {
    timeout: TEST_TIMEOUT_MS,
  }, async ({ onTestFinished }) => {
    const scene = openScene(onTestFinished)
    let slept = false
    const step = task({ name: 'step', input }, async (_, { node }) => {
      if (node === 'b0' && !slept) {
        slept = true
        await new Promise((resolve) => setTimeout(resolve, 4_000))
      }
      return node
    })
    const roots = flow({ name: 'roots', input: z.object({}) }, () =>
      Array.from({ length: 3 }, (_, n) => step.with({ key: `b${n}` })({ after: null })),
    )
    const warm = flow({ name: 'warm', input: z.object({}) }, () => step({ after: null }))
    await scene.startWorker({
      flows: [roots, warm],
      queues: { default: { concurrency: 1 } },
      leaseDuration: '3s',
    })
    // So that the worker knows that the task is short, also where its first call took long.
    for (let i = 0; i < 40; i++) await runEnd(await scene.producer.enqueue(warm, {}))
    const { state, nodes } = await runEnd(await scene.producer.enqueue(roots, {}))
    expect(state).toBe('succeeded')
    expect(nodes.map(({ crashes }) => crashes)).toEqual([0, 0, 0])
    expect(nodes.map(({ log }) => log.map(({ kind }) => kind))).toEqual([
      [],
      ['interrupted'],
      ['interrupted'],
    ])
  })
})
