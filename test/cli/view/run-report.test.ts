import picocolors from 'picocolors'
import { describe, expect, test } from 'vitest'
import { reportRun } from '../../../src/cli/view/run-report.ts'
import { node, run } from '../snapshots.ts'

const terminal = { isLive: false, columns: 100, rows: 24, colors: picocolors.createColors(false) }
const PARENT = { runId: '0-parent', node: 'deliver' }

describe('reportRun', () => {
  test('names the runs that a node started', () => {
    const child = { node: 'a', key: 'mail#1', runId: '0-child', flow: 'mail' }
    const text = reportRun(run([node('a'), node('b')], { children: [child] }), 0, terminal)
    expect(text).toMatch(/· {2}a .*\n {6}started run 0-child {2}mail {2}\(mail#1\)\n .* b/)
  })

  test.each([
    ['nothing', null, '0-run', /^opened 1970.*\n\n/m],
    ['the parent', PARENT, '0-parent', /^started by deliver of run 0-parent$/m],
    ['the root', PARENT, '0-top', /^started by deliver of run 0-parent, whose root is 0-top$/m],
  ])('says who started it: %s', (_name, parent, rootId, expected) => {
    expect(reportRun(run([node('a')], { parent, rootId }), 0, terminal)).toMatch(expected)
  })

  test('says what it repeats, what retries it, and why', () => {
    const rerun = {
      of: '0-run',
      rootId: '0-run',
      strategy: 'from-failure',
      by: 'retry',
      retryNumber: 1,
      delays: [0],
    } as const
    const repeated = reportRun(run([node('a')], { rerun }), 0, terminal)
    expect(repeated).toContain('\nrepeats run 0-run (from the failure, automatic retry 1)\n')

    const retryDecision = { action: 'stop', reason: 'exhausted' } as const
    const ended = { state: 'failed', reruns: ['0-run~1'], retryDecision } as const
    const failed = reportRun(run([node('a')], ended), 0, terminal)
    expect(failed).toContain('\nthe run as a whole: no retry: exhausted\nrepeated by run 0-run~1\n')
    const parts = {
      state: 'failed',
      willRetry: true,
      retriedBy: '0-run~1',
      reruns: ['0-run~1'],
    } as const
    expect(reportRun(run([node('a')], parts), 0, terminal)).toContain('\nretried by run 0-run~1\n')
    const due = { state: 'failed', willRetry: true } as const
    expect(reportRun(run([node('a')], due), 0, terminal)).toContain('is being decided')
  })

  test('says of a node that it was reused', () => {
    const kept = node('a', { state: 'succeeded', reused: true })
    expect(reportRun(run([kept]), 0, terminal)).toMatch(/a .*reused/)
  })

  test.each(['budget', 'breaker'] as const)(
    'says of a node that waits for a %s since when, and when it looks again',
    (waitingFor) => {
      const parked = node('call', {
        state: 'waiting',
        waitingFor,
        waitingSince: 1_000,
        dueAt: 31_000,
        attempts: 2,
      })
      const lines = reportRun(run([parked]), 6_000, terminal).split('\n')
      expect(lines.slice(3)).toEqual([
        expect.stringMatching(new RegExp(`^ ⧗  call +2  waits for ${waitingFor} +5s$`)),
        '      waits since 1970-01-01T00:00:01.000Z, looks again 1970-01-01T00:00:31.000Z',
      ])
    },
  )

  test('says of a node that waits for a child run which, and since when', () => {
    const waiting = node('call', {
      kind: 'run',
      state: 'waiting',
      waitingFor: 'child',
      waitingForRun: '0-child',
      waitingSince: 1_000,
      startedAt: 1_000,
      attempts: 1,
    })
    const lines = reportRun(run([waiting]), 6_000, terminal).split('\n')
    expect(lines.slice(3)).toEqual([
      expect.stringMatching(/^ ⧗ {2}call +1 {2}waits for child 0-child {2}5s$/),
    ])
  })

  test('says of a node that waits for a lock which', () => {
    const waiting = node('call', {
      state: 'waiting',
      waitingFor: 'lock',
      waitingForLock: 'account-7',
      waitingSince: 1_000,
      dueAt: 16_000,
    })
    const lines = reportRun(run([waiting]), 6_000, terminal).split('\n')
    expect(lines[3]).toMatch(/^ ⧗ {2}call +waits for lock account-7 {2}5s$/)
  })

  test('says of a node that will be retried when', () => {
    const retrying = node('call', { state: 'retrying', dueAt: 31_000, attempts: 1 })
    const lines = reportRun(run([retrying]), 6_000, terminal).split('\n')
    expect(lines.at(-1)).toBe('      due 1970-01-01T00:00:31.000Z')
  })
})
