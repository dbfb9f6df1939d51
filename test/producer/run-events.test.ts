import { describe, expect, test } from 'vitest'
import type { NodeSnapshot, RunSnapshot } from '../../src/coordinator/run-snapshot.ts'
import { eventsBetween, type RunEvent } from '../../src/producer/run-events.ts'
import { graphOf, join, node } from '../coordinator/graphs.ts'
import { failedAttempt, OPENED_AT, retriedAt, snapshot } from './snapshots.ts'

const TWO = graphOf([node('a'), node('b', ['a'])])
const FORK = graphOf([node('a'), node('b', ['a']), node('c')])
const RETRY = {
  action: 'retry',
  rule: 'policy',
  baseMs: 5,
  random: null,
  delayMs: 5,
  retryNumber: 1,
  maxRetries: 3,
} as const

type Nodes = Record<string, Partial<NodeSnapshot>>

/** Every event as `type@time node#attempt`. */
function story(events: readonly RunEvent[]): string[] {
  return events.map((event) => {
    const node = 'node' in event ? ` ${event.node}` : ''
    const attempt = 'attempt' in event ? `#${event.attempt}` : ''
    return `${event.type}@${event.at - OPENED_AT}${node}${attempt}`
  })
}

/** What a reader hears that was there for all readings, and one that came for the last. */
function stories(readings: readonly RunSnapshot[]): { live: string[]; late: string[] } {
  const live = readings.flatMap((after, i) => eventsBetween(readings[i - 1] ?? null, after))
  return { live: story(live), late: story(eventsBetween(null, readings.at(-1) ?? fail())) }
}

function fail(): never {
  throw new Error('no readings')
}

const at = (time: number) => OPENED_AT + time
const ran = (attempts: number, start: number): Partial<NodeSnapshot> => ({
  state: 'running',
  attempts,
  startedAt: at(start),
})
const succeeded = (attempts: number, start: number, end: number): Partial<NodeSnapshot> => ({
  state: 'succeeded',
  attempts,
  startedAt: at(start),
  endedAt: at(end),
})

describe('eventsBetween', () => {
  test('begins with the opening of the run', () => {
    expect(story(eventsBetween(null, snapshot(TWO)))).toEqual(['run.opened@0'])
  })

  test('is silent when nothing changed', () => {
    const run = snapshot(TWO, { a: ran(1, 0) })
    expect(eventsBetween(run, run)).toEqual([])
  })

  test('tells a success', () => {
    const run = snapshot(TWO, { a: succeeded(1, 1, 5), b: ran(1, 5) })
    expect(story(eventsBetween(null, run))).toEqual([
      'run.opened@0',
      'attempt.started@1 a#1',
      'node.succeeded@5 a',
      'attempt.started@5 b#1',
    ])
  })

  test('tells a failed attempt with its error and decision', () => {
    const log = [failedAttempt(1, 0, 4, RETRY)]
    const a = { state: 'retrying', attempts: 1, startedAt: at(0), log } as const
    expect(eventsBetween(snapshot(TWO, { a: ran(1, 0) }), snapshot(TWO, { a }))).toEqual([
      {
        type: 'attempt.failed',
        at: at(4),
        node: 'a',
        attempt: 1,
        kind: 'error',
        error: log[0]?.error,
        decision: RETRY,
      },
    ])
  })

  test('tells for which run a node waits, once, and only while it does', () => {
    const waiting: Partial<NodeSnapshot> = {
      ...ran(1, 5),
      state: 'waiting',
      waitingForRun: '0-child',
      waitingSince: at(5),
    }
    const waits = { type: 'node.waiting', at: at(5), node: 'a', childRun: '0-child' }
    const [before, meanwhile, after] = [ran(1, 5), waiting, succeeded(1, 5, 9)].map((a) =>
      snapshot(TWO, { a }),
    )
    if (!before || !meanwhile || !after) throw new Error('three readings')
    expect(story(eventsBetween(null, meanwhile))).toEqual([
      'run.opened@0',
      'attempt.started@5 a#1',
      'node.waiting@5 a',
    ])
    expect(eventsBetween(before, meanwhile)).toEqual([waits])
    expect(eventsBetween(meanwhile, meanwhile)).toEqual([])
    expect(story(eventsBetween(meanwhile, after))).toEqual(['node.succeeded@9 a'])
  })

  test('leaves out nodes that no worker executes', () => {
    const graph = graphOf([node('x'), node('y'), join('j', 'x', 'y')])
    const run = snapshot(graph, { j: { state: 'succeeded', endedAt: at(9) } })
    expect(story(eventsBetween(null, run))).toEqual(['run.opened@0'])
  })

  test('ends with the end of the run, once', () => {
    const nodes = { a: succeeded(1, 0, 5), b: succeeded(1, 5, 9) }
    const run = snapshot(TWO, nodes, { state: 'succeeded', endedAt: at(9) })
    expect(eventsBetween(null, run).at(-1)).toEqual({
      type: 'run.ended',
      at: at(9),
      state: 'succeeded',
    })
    expect(eventsBetween(run, run)).toEqual([])
  })

  test('tells the end of a run that was refused', () => {
    const run = {
      ...snapshot(TWO, {}, { state: 'failed', endedAt: at(0) }),
      nodes: [],
      graph: null,
    }
    expect(story(eventsBetween(null, run))).toEqual(['run.opened@0', 'run.ended@0'])
  })

  test('tells a log that is newer than the node, as it is read a moment later', () => {
    const before = snapshot(TWO, { a: ran(1, 0) })
    const between = snapshot(TWO, { a: { ...ran(1, 0), log: [failedAttempt(1, 0, 4, RETRY)] } })
    const after = snapshot(TWO, { a: { ...ran(2, 8), log: [failedAttempt(1, 0, 4, RETRY)] } })
    expect(stories([before, between, after]).live).toEqual([
      'run.opened@0',
      'attempt.started@0 a#1',
      'attempt.failed@4 a#1',
      'attempt.started@8 a#2',
    ])
  })
})

describe('late readers hear the same story', () => {
  const failedOnce = [failedAttempt(1, 0, 4, RETRY)]
  const failedTwice = [...failedOnce, failedAttempt(2, 9, 12)]

  test.each<[string, RunSnapshot[]]>([
    [
      'of a chain',
      [
        snapshot(TWO),
        snapshot(TWO, { a: ran(1, 0) }),
        snapshot(TWO, { a: succeeded(1, 0, 5) }),
        snapshot(TWO, { a: succeeded(1, 0, 5), b: ran(1, 6) }),
        snapshot(
          TWO,
          { a: succeeded(1, 0, 5), b: succeeded(1, 6, 9) },
          { state: 'succeeded', endedAt: at(9) },
        ),
      ],
    ],
    [
      'of retries',
      [
        snapshot(TWO, { a: ran(1, 0) }),
        snapshot(TWO, { a: { state: 'retrying', attempts: 1, startedAt: at(0), log: failedOnce } }),
        snapshot(TWO, { a: { ...ran(2, 9), log: failedOnce } }),
        snapshot(TWO, { a: { ...succeeded(2, 9, 12), log: failedOnce } }),
      ],
    ],
    [
      'of an upstream failure, while another branch goes on',
      [
        snapshot(FORK, { a: ran(1, 0), c: ran(1, 0) }),
        snapshot(FORK, {
          a: { state: 'failed', attempts: 2, startedAt: at(9), endedAt: at(12), log: failedTwice },
          b: { state: 'upstream_failed', causedBy: 'a' },
          c: ran(1, 0),
        }),
        snapshot(
          FORK,
          {
            a: {
              state: 'failed',
              attempts: 2,
              startedAt: at(9),
              endedAt: at(12),
              log: failedTwice,
            },
            b: { state: 'upstream_failed', causedBy: 'a' },
            c: succeeded(1, 0, 50),
          },
          { state: 'failed', endedAt: at(50) },
        ),
      ],
    ],
    [
      'of a retry by hand',
      [
        snapshot(TWO, { a: ran(1, 0) }),
        snapshot(TWO, {
          a: { ...ran(2, 20), log: [...failedOnce, retriedAt(20)] },
        }),
        snapshot(TWO, {
          a: { ...succeeded(2, 20, 22), log: [...failedOnce, retriedAt(20)] },
        }),
      ],
    ],
    [
      'of a node that failed finally, and was retried by hand',
      [
        snapshot(FORK, { a: ran(1, 0), c: ran(1, 0) }),
        snapshot(FORK, {
          a: {
            state: 'failed',
            attempts: 1,
            startedAt: at(0),
            endedAt: at(4),
            log: [failedAttempt(1, 0, 4)],
          },
          c: ran(1, 0),
        }),
        snapshot(FORK, {
          a: { ...ran(2, 9), log: [failedAttempt(1, 0, 4), retriedAt(9)] },
          c: ran(1, 0),
        }),
      ],
    ],
    [
      'of a grant that was given back, because no handler was known',
      [
        snapshot(TWO, { a: { state: 'waiting', waitingFor: 'no_handler' } }),
        snapshot(TWO, { a: ran(1, 30) }),
      ],
    ],
  ])('%s', (_name, readings) => {
    const { live, late } = stories(readings)
    expect(live.toSorted()).toEqual(late.toSorted())
  })

  test('in the order of time, also of a node that never ran', () => {
    const nodes: Nodes = {
      a: {
        state: 'failed',
        attempts: 1,
        startedAt: at(0),
        endedAt: at(4),
        log: [failedAttempt(1, 0, 4)],
      },
      b: { state: 'upstream_failed', causedBy: 'a' },
      c: succeeded(1, 0, 50),
    }
    const run = snapshot(FORK, nodes, { state: 'failed', endedAt: at(50) })
    expect(story(eventsBetween(null, run))).toEqual([
      'run.opened@0',
      'attempt.started@0 a#1',
      'attempt.started@0 c#1',
      'attempt.failed@4 a#1',
      'node.failed@4 a',
      'node.upstream_failed@4 b',
      'node.succeeded@50 c',
      'run.ended@50',
    ])
  })
})
