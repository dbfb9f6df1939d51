import { expect, test, vi } from 'vitest'
import { describeWithRedis, redisUrl, testNamespace } from '../setup/namespace.ts'
import { modulePath, type Program, runCli, startCli } from './fixtures.ts'

// Programs are slow to start on a busy machine.
vi.setConfig({ testTimeout: 90_000 })

const FLOWS = modulePath('flows.ts')

/** A namespace with a worker in it, and a way to run commands there. */
async function startWorker(...args: readonly string[]) {
  const here = ['--redis', redisUrl(), '--namespace', testNamespace()]
  const worker = startCli([...here, 'worker', ...args])
  await worker.outputMatching(/worker is ready/)
  return { worker, run: (...command: string[]) => runCli([...here, ...command]) }
}

/** The fields of the worker's log line. */
function readyLine(worker: Program): unknown {
  const line = worker
    .output()
    .split('\n')
    .find((text) => text.includes('worker is ready'))
  return JSON.parse(line ?? '{}')
}

describeWithRedis('reprise worker, enqueue and show', () => {
  test('run a flow, print its result, and tell its story', async () => {
    const { run } = await startWorker(FLOWS)
    const enqueued = await run('enqueue', 'twice', '{"n":21}', '--wait')
    expect(enqueued).toMatchObject({ code: 0, stdout: '84\n' })
    const id = /^run (.*)$/m.exec(enqueued.stderr)?.[1] ?? ''

    const shown = await run('show', id)
    expect(shown.code).toBe(0)
    const lines = shown.stdout.split('\n')
    expect(lines[0]).toMatch(new RegExp(`^twice {2}${id} {2}succeeded `))
    expect(shown.stdout).toMatch(/✔ {2}double {6}2\/4 {2}succeeded/)
    expect(shown.stdout).toMatch(/✔ {2}double-2 {4}2\/4 {2}succeeded/)
    expect(shown.stdout.match(/attempt 1 at .*: Error: not at once/g)).toHaveLength(2)
    expect(shown.stdout.match(/retry 1 of 3 in 10ms: policy, base 10ms/g)).toHaveLength(2)

    const watched = await run('show', '--watch', id)
    expect(watched.stdout).toMatch(/double-2: attempt 2 started\n.*double-2: succeeded\n/)

    const { stdout } = await run('show', '--json', id)
    expect(JSON.parse(stdout)).toMatchObject({
      id,
      state: 'succeeded',
      nodes: [{ key: 'double', attempts: 2 }, { key: 'double-2' }],
    })
  })

  test('repeat a run, and say why not', async () => {
    const { run } = await startWorker(FLOWS)
    const good = await run('enqueue', 'twice', '{"n":1}', '--wait')
    const id = /^run (.*)$/m.exec(good.stderr)?.[1] ?? ''
    expect(await run('rerun', id)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("the strategy 'all'"),
    })
    expect(await run('rerun', id, '--all')).toMatchObject({ code: 0, stdout: `${id}~1\n` })
    const watched = await run('show', '--watch', `${id}~1`)
    expect(watched.stdout).toContain(`repeats run ${id} (everything, by hand)`)
  })

  test('retry a node, and say why not', async () => {
    const { run } = await startWorker(FLOWS)
    const failed = await run('enqueue', 'broken', '{}', '--wait')
    const id = /^run (.*)$/m.exec(failed.stderr)?.[1] ?? ''
    expect(await run('retry', id, 'refuse')).toMatchObject({
      code: 0,
      stdout: `retried refuse in run ${id}\n`,
    })
    expect(await run('retry', id, 'other')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('has no node "other"'),
    })
  })

  test('say what failed, with exit code 1', async () => {
    const { run } = await startWorker(FLOWS)
    const failed = await run('enqueue', 'broken', '{}', '--wait')
    expect(failed).toMatchObject({ code: 1, stdout: '' })
    expect(failed.stderr).toMatch(
      /failed at refuse \(non_retryable, 1 attempt\): NonRetryable: never/,
    )
    const refused = await run('enqueue', 'twice', '{"n":"x"}', '--wait')
    expect(refused.code).toBe(1)
    expect(refused.stderr).toMatch(/expected number, received string[\s\S]*at n/)
    const id = /^run (.*)$/m.exec(refused.stderr)?.[1] ?? ''
    expect((await run('show', id)).stdout).toMatch(/refused \(invalid_input\)/)
  })

  test('take a single task, its queue, a policy and a JavaScript module', async () => {
    const { worker, run } = await startWorker(
      FLOWS,
      modulePath('plain.mjs'),
      '--queue',
      'loud=2',
      '--queue',
      'default=3',
      '--lease',
      '5s',
      '--stalled-interval',
      '1s',
    )
    expect(readyLine(worker)).toMatchObject({
      flows: ['broken', 'twice'],
      tasks: ['double', 'shout'],
      policies: ['thrice'],
      queues: { loud: { concurrency: 2 }, default: { concurrency: 3 } },
    })
    const args = ['enqueue', '--task', 'shout', '{"text":"hi"}', '--queue', 'loud', '--wait']
    expect((await run(...args)).stdout).toBe('"HI"\n')
    const once = ['enqueue', '--task', 'double', '{"n":1}', '--retry', 'false', '--wait']
    expect((await run(...once)).stderr).toMatch(/failed at double \(exhausted, 1 attempt\)/)
  })

  test('print the id of a run that nobody has taken, and why nothing happens', async () => {
    const here = ['--redis', redisUrl(), '--namespace', testNamespace()]
    const { code, stdout } = await runCli([...here, 'enqueue', 'twice', '{"n":1}'])
    expect(code).toBe(0)
    const id = stdout.trim()
    expect(await runCli([...here, 'show', id])).toMatchObject({
      code: 0,
      stdout: `run ${id} is queued: no worker has taken it yet (queue default)\n`,
    })
    const late = await runCli([...here, 'enqueue', 'twice', '{"n":1}', '--delay', '1h'])
    const shown = await runCli([...here, 'show', late.stdout.trim()])
    expect(shown.stdout).toMatch(/is scheduled/)
  })

  test.each(['SIGTERM', 'SIGINT'] as const)('close on %s, with exit code 0', async (signal) => {
    const { worker } = await startWorker(FLOWS)
    worker.process.kill(signal)
    expect(await worker.ended()).toMatchObject({ code: 0 })
    expect(worker.output()).toMatch(/closing on signal/)
  })
})
