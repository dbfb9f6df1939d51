import { stripVTControlCharacters } from 'node:util'
import picocolors from 'picocolors'
import { describe, expect, test } from 'vitest'
import { drawRun } from '../../../src/cli/view/live-frame.ts'
import type { Terminal } from '../../../src/cli/view/terminal.ts'
import { attempt, node, run } from '../snapshots.ts'

const plain: Terminal = {
  isLive: true,
  columns: 80,
  rows: 24,
  colors: picocolors.createColors(false),
}

const nodes = [
  node('create-payload', { state: 'succeeded', attempts: 1, startedAt: 0, endedAt: 3_000 }),
  node('ping-service', {
    state: 'retrying',
    attempts: 2,
    startedAt: 4_000,
    dueAt: 5_450,
    log: [attempt(1, 3_000, 3_010), attempt(2, 4_000, 4_100)],
  }),
  node('gate', { kind: 'gate', task: null }),
  node('audit', { state: 'running', attempts: 1, startedAt: 3_000 }),
  node('cached-copy'),
]

describe('drawRun', () => {
  test('shows states, attempts, the countdown, the last error and the progress', () => {
    expect(drawRun(run(nodes), { now: 4_200, frame: 0 }, plain).split('\n')).toEqual([
      'example  0-01JD2Y4S5T6V7W8X9YZABCDEFG  running  4.2s',
      '',
      ' ✔  create-payload      1  succeeded           3s',
      ' ↻  ping-service      2/6  retry in 1.3s',
      '      HttpError: 503 Service Unavailable',
      ' ⠋  audit               1  running             1.2s',
      ' ·  cached-copy            pending',
      '',
      ` ${'█'.repeat(8)}${'░'.repeat(22)}  1 of 4 done`,
    ])
  })

  test('looks the same in colours', () => {
    const coloured = { ...plain, colors: picocolors.createColors(true) }
    const time = { now: 4_200, frame: 3 }
    const drawn = drawRun(run(nodes), time, coloured)
    expect(drawn).not.toBe(stripVTControlCharacters(drawn))
    expect(stripVTControlCharacters(drawn)).toBe(drawRun(run(nodes), time, plain))
  })

  test('never is wider than the terminal', () => {
    const long = node('k'.repeat(90), {
      state: 'failed',
      attempts: 1,
      log: [{ ...attempt(1, 0, 1), error: { name: 'E', names: [], message: '宽'.repeat(200) } }],
    })
    const lines = drawRun(run([long]), { now: 1, frame: 0 }, { ...plain, columns: 60 }).split('\n')
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(60)
  })

  test('shows what matters where not all nodes fit', () => {
    const many = [
      ...Array.from({ length: 50 }, (_, i) => node(`done-${i}`, { state: 'succeeded' })),
      node('busy', { state: 'running', attempts: 1, startedAt: 0 }),
      ...Array.from({ length: 50 }, (_, i) => node(`later-${i}`)),
    ]
    const lines = drawRun(run(many), { now: 1, frame: 0 }, plain).split('\n')
    expect(lines.length).toBeLessThan(plain.rows)
    expect(lines[2]).toContain('busy')
    expect(lines).toContain('  … and 84 more')
    expect(lines.at(-1)).toContain('50 of 101 done')
  })
})
