import picocolors from 'picocolors'
import { describe, expect, test } from 'vitest'
import { reportRun } from '../../../src/cli/view/run-report.ts'
import type { Terminal } from '../../../src/cli/view/terminal.ts'
import { node, run } from '../snapshots.ts'

const plain: Terminal = {
  isLive: false,
  columns: 80,
  rows: 24,
  colors: picocolors.createColors(false),
}

describe('reportRun', () => {
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
      const lines = reportRun(run([parked]), 6_000, plain).split('\n')
      expect(lines.slice(3)).toEqual([
        expect.stringMatching(new RegExp(`^ ⧗  call +2  waits for ${waitingFor} +5s$`)),
        '      waits since 1970-01-01T00:00:01.000Z, looks again 1970-01-01T00:00:31.000Z',
      ])
    },
  )

  test('says of a node that will be retried when', () => {
    const retrying = node('call', { state: 'retrying', dueAt: 31_000, attempts: 1 })
    const lines = reportRun(run([retrying]), 6_000, plain).split('\n')
    expect(lines.at(-1)).toBe('      due 1970-01-01T00:00:31.000Z')
  })
})
