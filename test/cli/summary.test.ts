import { describe, expect, test } from 'vitest'
import { summarise } from '../../src/cli/summary.ts'
import { attempt, node, run } from './snapshots.ts'

describe('summarise', () => {
  test('tells nothing of a run in which nothing happened', () => {
    expect(summarise(run([]))).toMatchObject({
      nodes: [],
      retries: 0,
      reused: [],
      savedMs: 0,
      durationMs: null,
    })
  })

  test('counts attempts, failures by kind, execution and waiting', () => {
    const ping = node('ping', {
      state: 'succeeded',
      attempts: 4,
      startedAt: 900,
      endedAt: 950,
      log: [attempt(1, 0, 100), attempt(2, 300, 340, 'timeout'), attempt(3, 500, 510)],
    })
    expect(summarise(run([ping])).nodes).toEqual([
      {
        key: 'ping',
        state: 'succeeded',
        attempts: 4,
        failures: { error: 2, timeout: 1 },
        executionMs: 100 + 40 + 10 + 50,
        waitedMs: 200 + 160 + 390,
      },
    ])
  })

  test('saves, for each retry, the execution of all nodes that had succeeded before it', () => {
    const early = node('early', { state: 'succeeded', attempts: 1, startedAt: 0, endedAt: 1_000 })
    const late = node('late', { state: 'succeeded', attempts: 1, startedAt: 0, endedAt: 1_150 })
    const ping = node('ping', {
      state: 'succeeded',
      attempts: 3,
      startedAt: 1_200,
      endedAt: 1_210,
      log: [attempt(1, 1_000, 1_010), attempt(2, 1_100, 1_110)],
    })
    expect(summarise(run([early, late, ping]))).toMatchObject({
      retries: 2,
      reused: [
        { key: 'early', executionMs: 1_000, sparedBy: 2 },
        { key: 'late', executionMs: 1_150, sparedBy: 1 },
      ],
      savedMs: 2 * 1_000 + 1_150,
    })
  })

  test('counts only the attempt that succeeded, not those before it, as saved', () => {
    const slow = node('slow', {
      state: 'succeeded',
      attempts: 2,
      startedAt: 500,
      endedAt: 700,
      log: [attempt(1, 0, 400)],
    })
    const ping = node('ping', {
      state: 'failed',
      attempts: 2,
      startedAt: 900,
      endedAt: 910,
      log: [attempt(1, 700, 710), attempt(2, 900, 910)],
    })
    expect(summarise(run([slow, ping]))).toMatchObject({ retries: 2, savedMs: 200 })
  })

  test('does not take the wait for a retry that has not started, nor the time of one that runs', () => {
    const waits = node('waits', {
      state: 'retrying',
      attempts: 1,
      startedAt: 0,
      dueAt: 9_000,
      log: [attempt(1, 0, 10)],
    })
    const runs = node('runs', {
      state: 'running',
      attempts: 2,
      startedAt: 50,
      log: [attempt(1, 0, 20)],
    })
    const { nodes, retries } = summarise(run([waits, runs]))
    expect(retries).toBe(1)
    expect(nodes).toMatchObject([
      { executionMs: 10, waitedMs: 0 },
      { executionMs: 20, waitedMs: 30 },
    ])
  })

  test('leaves out virtual nodes, and retries by hand, which are no attempts', () => {
    const ping = node('ping', {
      state: 'succeeded',
      attempts: 2,
      startedAt: 100,
      endedAt: 110,
      log: [attempt(1, 0, 10), attempt(0, 50, 50, 'retried')],
    })
    const gate = node('gate', { kind: 'gate', task: null, state: 'skipped' })
    expect(summarise(run([ping, gate])).nodes).toMatchObject([
      { key: 'ping', failures: { error: 1 }, executionMs: 20, waitedMs: 90 },
    ])
  })
})
