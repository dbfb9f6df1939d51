import { describe, expect, test, vi } from 'vitest'
import { previewTable } from '../../src/cli/view/preview-table.ts'
import { policy } from '../../src/index.ts'
import { runCli } from './fixtures.ts'

// Programs are slow to start on a busy machine.
vi.setConfig({ testTimeout: 90_000 })

describe('previewTable', () => {
  test('has a row and a bar for each retry', () => {
    const table = previewTable(policy.linear({ delay: '10s', maxRetries: 3 }).preview(10))
    expect(table.split('\n')).toEqual([
      'retry  base  min  median  max  total  0 to 30s',
      '    1   10s  10s     10s  10s    10s  ██████████',
      '    2   20s  20s     20s  20s    30s  ████████████████████',
      '    3   30s  30s     30s  30s     1m  ██████████████████████████████',
    ])
  })

  test('says when there is none', () => expect(previewTable([])).toBe('no retry'))
})

describe('reprise policy preview', () => {
  test('shows the spread', async () => {
    const { code, stdout } = await runCli(['policy', 'preview', '5', '--samples', '50'])
    expect(code).toBe(0)
    const lines = stdout.trim().split('\n')
    expect(lines).toHaveLength(6)
    expect(lines[1]).toMatch(/^ +1 +1s +\d/)
    expect(lines[5]).toMatch(/█·+$/)
  })

  test('shows the exact schedule of a run and a node, as JSON', async () => {
    const retry = { kind: 'exponential', maxRetries: 3 } as const
    const options = ['--run', '0-a', '--node', 'ping', '--json']
    const spec = JSON.stringify(retry)
    const { stdout } = await runCli(['policy', 'preview', spec, ...options])
    const expected = policy.exponential({ maxRetries: 3 }).preview(10, { run: '0-a', node: 'ping' })
    expect(JSON.parse(stdout)).toEqual(expected)
  })

  test('chooses a rule by the error', async () => {
    const use = { kind: 'constant', delay: '1m', maxRetries: 2 }
    const spec = JSON.stringify({ kind: 'rules', rules: [{ on: [429], use }] })
    const { stdout } = await runCli(['policy', 'preview', spec, '--error', '{"status":429}'])
    expect(stdout.trim().split('\n')).toHaveLength(3)
    expect((await runCli(['policy', 'preview', spec])).stdout).toBe('no retry\n')
  })

  test.each([
    ['no JSON', '{', /<spec>/],
    ['an unknown kind', '{"kind":"magic"}', /spec: expected kind to be one of .*got "magic"/],
    ['a plug-in', '"http-aware"', /http-aware is a plug-in/],
  ])('refuses %s', async (_name, spec, message) => {
    const { code, stderr } = await runCli(['policy', 'preview', spec])
    expect(code).toBe(1)
    expect(stderr).toMatch(message)
  })
})
