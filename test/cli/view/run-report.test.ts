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

  test('says of a node that will be retried when', () => {
    const retrying = node('call', { state: 'retrying', dueAt: 31_000, attempts: 1 })
    const lines = reportRun(run([retrying]), 6_000, terminal).split('\n')
    expect(lines.at(-1)).toBe('      due 1970-01-01T00:00:31.000Z')
  })
})
