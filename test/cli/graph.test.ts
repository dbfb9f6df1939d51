import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { describeWithRedis, redisUrl } from '../setup/namespace.ts'
import { openScene, runEnd } from '../worker/scene.ts'
import { modulePath, runCli } from './fixtures.ts'
import { broken, twice } from './modules/flows.ts'

// Programs are slow to start on a busy machine.
vi.setConfig({ testTimeout: 90_000 })

const modules = ['--modules', modulePath('flows.ts')]

describe('reprise graph', () => {
  test('draws a flow, without escape codes where the output is no terminal', async () => {
    const { code, stdout } = await runCli(['graph', 'twice', ...modules])
    expect(code).toBe(0)
    expect(stdout).toBe(
      [
        'twice',
        '',
        ' ╭─────────╮',
        ' │ double  │',
        ' ╰────┬────╯',
        '      ▼',
        '╭───────────╮',
        '│ double-2  │',
        '╰───────────╯',
        '',
      ].join('\n'),
    )
  })

  test.for([
    ['mermaid', /^---\ntitle: "twice"\n---\nflowchart TD\n {2}n0\["double"\]/],
    ['svg', /^<svg .*<\/svg>\n$/s],
  ] as const)('writes %s to a file', async ([format, expected], { onTestFinished }) => {
    const directory = await mkdtemp(join(tmpdir(), 'reprise-graph-'))
    onTestFinished(() => rm(directory, { recursive: true }))
    const out = join(directory, 'graph')
    const args = ['graph', 'twice', ...modules, '--format', format, '--out', out]
    expect(await runCli(args)).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(await readFile(out, 'utf8')).toMatch(expected)
  })
})

describeWithRedis('reprise graph --run', () => {
  test('draws the states, attempts and times of a run', async ({ onTestFinished }) => {
    const { producer, namespace, startWorker } = openScene(onTestFinished)
    await startWorker({ flows: [broken, twice] })
    const here = ['--redis', redisUrl(), '--namespace', namespace]
    const [good, bad] = [
      await producer.enqueue(twice, { n: 1 }),
      await producer.enqueue(broken, {}),
    ]
    await Promise.all([runEnd(good), runEnd(bad)])

    const drawn = await runCli([...here, 'graph', '--run', good.id])
    expect(drawn.stdout).toMatch(new RegExp(`^twice {2}${good.id} {2}succeeded {2}\\d+`))
    expect(drawn.stdout.match(/✔ succeeded, attempt 2\/\d+, \d+m?s/g)).toHaveLength(2)

    const failed = await runCli([...here, 'graph', '--run', bad.id, '--format', 'mermaid'])
    expect(failed.stdout).toMatch(/n0\["refuse<br\/>✖ failed, \d+m?s"\]:::failed/)
  })

  test('says why a run has no graph', async ({ onTestFinished }) => {
    const { producer, namespace, startWorker } = openScene(onTestFinished)
    const here = ['--redis', redisUrl(), '--namespace', namespace]
    const queued = await producer.enqueue(twice, { n: 1 }, { queue: 'later' })
    const args = [...here, 'graph', '--run', queued.id, '--queue', 'later']
    expect((await runCli(args)).stderr).toMatch(
      /no graph yet: run .* is queued: .* \(queue later\)/,
    )

    await startWorker({ flows: [twice] })
    const refused = await producer.enqueue({ flow: 'twice' }, { n: 'one' })
    await runEnd(refused)
    const { code, stderr } = await runCli([...here, 'graph', '--run', refused.id])
    expect(stderr).toMatch(/has no graph: it was refused \(invalid_input\): the input of twice/)
    expect(code).toBe(1)
  })
})
