import { describe, expect, test, vi } from 'vitest'
import { isListening, type Program, runCli, startCli } from './fixtures.ts'
import { isAlive } from './redis/fixtures.ts'

// Programs are slow to start on a busy machine.
vi.setConfig({ testTimeout: 90_000 })

interface Row {
  readonly attempts: number
  readonly failures: number
  readonly executedMs: number
  readonly waitedMs: number
  readonly state: string
}

/** The row of a task in the printed summary. */
function rowOf(output: string, task: string): Row {
  const cells = new RegExp(`^  (${task} .*)$`, 'm').exec(output)?.[1]?.split(/ {2,}/) ?? []
  const [, attempts, failures = '', executed = '', waited = '', state = ''] = cells
  return {
    attempts: Number(attempts),
    failures: Number.parseInt(failures, 10) || 0,
    executedMs: milliseconds(executed),
    waitedMs: milliseconds(waited),
    state,
  }
}

function milliseconds(text: string): number {
  const [, number, unit] = /^([\d.]+)(ms|s)$/.exec(text) ?? []
  return Number(number ?? 0) * (unit === 's' ? 1_000 : 1)
}

function savedMs(output: string): number {
  return milliseconds(/^ {2}Saved {3}(\S+)/m.exec(output)?.[1] ?? '')
}

/** The processes and ports that the demo says it started. */
function startedBy(output: string): { pids: number[]; ports: number[] } {
  const numbers = (pattern: RegExp) =>
    Array.from(output.matchAll(pattern), ([, number]) => Number(number))
  return { pids: numbers(/pid (\d+)/g), ports: numbers(/127\.0\.0\.1:(\d+)/g) }
}

async function expectNothingLeft(output: string): Promise<void> {
  const { pids, ports } = startedBy(output)
  expect(pids).toHaveLength(3)
  expect(ports).toHaveLength(2)
  expect(pids.filter(isAlive)).toEqual([])
  for (const port of ports) expect(await isListening(port)).toBe(false)
}

async function untilPayload(demo: Program): Promise<void> {
  await demo.outputMatching(/create-payload: attempt 1 started/)
}

describe('reprise demo', () => {
  test.each([
    { failures: 0, expensiveMs: 100 },
    { failures: 1, expensiveMs: 1_500 },
    { failures: 3, expensiveMs: 600 },
  ])(
    'runs the ping again $failures times, and saves the payload of $expensiveMs ms as often',
    async ({ failures, expensiveMs }) => {
      const args = ['--failures', String(failures), '--expensive', `${expensiveMs}ms`]
      const { code, stdout } = await runCli(['demo', ...args])
      expect(code).toBe(0)
      expect(stdout).not.toContain('\u001b')
      const payload = rowOf(stdout, 'create-payload')
      expect(payload).toMatchObject({ attempts: 1, failures: 0 })
      expect(payload.executedMs).toBeGreaterThanOrEqual(expensiveMs)
      expect(rowOf(stdout, 'cached-copy')).toMatchObject({ attempts: 0, state: 'skipped' })
      const ping = rowOf(stdout, 'ping-service')
      expect(ping).toMatchObject({ attempts: failures + 1, failures, state: 'succeeded' })
      expect(ping.waitedMs).toBeGreaterThanOrEqual(failures * 1_000)
      // Times from a second on are shown in tenths.
      const difference = savedMs(stdout) - failures * payload.executedMs
      expect(Math.abs(difference)).toBeLessThanOrEqual(100 * failures)
      expect(stdout).toContain(`Result  {"answer":"thanks, request ${failures + 1}"}`)
      await expectNothingLeft(stdout)
    },
  )

  test('falls to plan B when the service stays down', async () => {
    const { code, stdout } = await runCli(['demo', '--failures', '99', '--expensive', '10ms'])
    expect(code).toBe(0)
    expect(rowOf(stdout, 'ping-service')).toMatchObject({
      attempts: 6,
      failures: 6,
      state: 'failed',
    })
    expect(rowOf(stdout, 'cached-copy')).toMatchObject({ attempts: 1, state: 'succeeded' })
    expect(stdout).toContain('"answer":"the copy of yesterday"')
    await expectNothingLeft(stdout)
  })

  test('runs the second example, where only one of the branches runs twice', async () => {
    const { code, stdout } = await runCli(['demo', 'etl'])
    expect(code).toBe(0)
    expect(rowOf(stdout, 'transform-south')).toMatchObject({ attempts: 2, failures: 1 })
    for (const task of ['extract-south', 'transform-north', 'transform-west', 'combine', 'load']) {
      expect(rowOf(stdout, task)).toMatchObject({ attempts: 1, failures: 0, state: 'succeeded' })
    }
  })

  test.each([
    { signal: 'SIGINT', code: 130 },
    { signal: 'SIGTERM', code: 143 },
  ] as const)('leaves nothing running after $signal', async ({ signal, code }) => {
    const demo = startCli(['demo', '--expensive', '1m'])
    await untilPayload(demo)
    demo.process.kill(signal)
    const ended = await demo.ended()
    expect(ended.code).toBe(code)
    await expectNothingLeft(ended.stdout)
  })

  test('leaves nothing running, and says why, when a worker dies', async () => {
    const demo = startCli(['demo', '--expensive', '1m'])
    await untilPayload(demo)
    const [, worker = 0] = startedBy(demo.output()).pids
    process.kill(worker, 'SIGKILL')
    const { code, stdout, stderr } = await demo.ended()
    expect(code).toBe(1)
    expect(stderr).toMatch(/worker 1 ended unexpectedly \(SIGKILL\)/)
    await expectNothingLeft(stdout)
  })
})
