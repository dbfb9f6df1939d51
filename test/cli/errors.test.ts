import { describe, expect, test, vi } from 'vitest'
import { describeWithRedis, redisUrl, testNamespace } from '../setup/namespace.ts'
import { modulePath, runCli } from './fixtures.ts'

// Programs are slow to start on a busy machine.
vi.setConfig({ testTimeout: 90_000 })

/** What the user sees: exit code 1, the message, nothing on standard output, and no stack trace. */
async function expectError(args: readonly string[], ...expected: readonly (string | RegExp)[]) {
  const { code, stdout, stderr } = await runCli(args)
  for (const part of expected) expect(stderr).toMatch(part)
  expect(stderr).not.toMatch(/^ +at .*:\d+:\d+\)?$/m)
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
}

const unreachable = ['--redis', 'redis://127.0.0.1:1']

describe('errors of the command line', () => {
  test.each<[string, readonly string[], readonly (string | RegExp)[]]>([
    ['a command that is none', ['wrker'], [/unknown command 'wrker'/, /Did you mean worker/]],
    [
      'an address that is none',
      ['--redis', 'localhost:6379', 'show', 'x'],
      ["option '--redis <url>'", 'expected redis://'],
    ],
    [
      'a namespace that is none',
      ['--namespace', 'a b', 'show', 'x'],
      ["option '--namespace <name>'", 'expected 1 to 50 letters'],
    ],
    [
      'a module that is not there',
      ['worker', 'nowhere.ts'],
      ['the module nowhere.ts was not found: there is no /'],
    ],
    [
      'a module that throws',
      ['worker', modulePath('throwing.ts')],
      [/throwing\.ts can't be loaded: no settings were found/],
    ],
    [
      'a module that exports no flow',
      ['worker', modulePath('empty.ts')],
      [/empty\.ts exports no flow and no task/],
    ],
    [
      'a flow that the module does not export',
      ['enqueue', '--module', modulePath('flows.ts'), 'thrice', '{}'],
      [/exports no flow thrice; it exports the flows: broken, twice/],
    ],
    [
      'a task that the module does not export',
      ['enqueue', '--task', '--module', modulePath('flows.ts'), 'thrice', '{}'],
      [/exports no task thrice; it exports the tasks: double/],
    ],
    ['a graph of nothing', ['graph', 'twice'], [/expected --modules <files>, .*, or --run <id>/]],
    [
      'a graph of a flow that the modules do not export',
      ['graph', 'thrice', '--modules', modulePath('flows.ts')],
      [/export no flow thrice; they export the flows: broken, twice/],
    ],
    [
      'a graph of several flows',
      ['graph', '--modules', modulePath('flows.ts')],
      [/expected the name of a flow; the modules export the flows: broken, twice/],
    ],
    [
      'a graph of a flow and a run',
      ['graph', 'twice', '--run', '0-01JD2Y4S5T6V7W8X9YZABCDEFG'],
      [/expected either a flow or --run <id>/],
    ],
    [
      'a format that is none',
      ['graph', 'twice', '--format', 'png'],
      [/Allowed choices are terminal, mermaid, svg/],
    ],
    [
      'JSON that is none',
      ['enqueue', 'twice', '{"n": x}'],
      ['input: invalid JSON at position 6 (line 1, column 7)', /\n +\^/],
    ],
    [
      'a policy that is no JSON',
      ['enqueue', 'twice', '{}', '--retry', '{'],
      [/--retry: invalid JSON at position 1/],
    ],
    [
      'a queue without concurrency',
      ['worker', '--queue', 'mail', modulePath('flows.ts')],
      ['expected name=concurrency, such as default=50'],
    ],
    ['a duration that is none', ['demo', '--expensive', 'long'], ['expected a duration']],
    ['a number that is none', ['demo', '--failures', '-1'], ['whole number from 0 to 1000']],
    ['an example that is none', ['demo', 'nothing'], ['Allowed choices are retry-example, etl']],
    [
      'a Redis that does not answer a worker',
      [...unreachable, 'worker', modulePath('flows.ts')],
      [/127\.0\.0\.1:1 can't be reached: .*ECONNREFUSED.*reprise up/],
    ],
    [
      'a Redis that does not answer an enqueue',
      [...unreachable, 'enqueue', 'twice', '{}'],
      [/127\.0\.0\.1:1 can't be reached: .*ECONNREFUSED.*reprise up/],
    ],
    [
      'a Redis that does not answer the demo',
      [...unreachable, 'demo'],
      [/redis:\/\/127\.0\.0\.1:1.*ECONNREFUSED/],
    ],
    ['a Redis that does not answer', [...unreachable, 'up'], [/ECONNREFUSED/]],
  ])('%s', async (_name, args, expected) => {
    await expectError(args, ...expected)
  })
})

describeWithRedis('errors with a Redis', () => {
  const here = () => ['--redis', redisUrl(), '--namespace', testNamespace()]

  test('a run that is unknown', async () => {
    const id = '0-01JD2Y4S5T6V7W8X9YZABCDEFG'
    await expectError([...here(), 'show', id], `there is no run ${id}`)
    await expectError([...here(), 'show', '--watch', id], `there is no run ${id}`)
  })

  test('an id that is none', async () => {
    await expectError([...here(), 'show', 'mine'], /expected a run id such as .*, got "mine"/)
  })

  test('an input that is not valid', async () => {
    const module = ['--module', modulePath('flows.ts')]
    await expectError(
      [...here(), 'enqueue', ...module, 'twice', '{"n":"1"}'],
      /flow twice: the input is not valid/,
      /expected number, received string/,
      /at n/,
    )
  })

  test('a policy that is none', async () => {
    await expectError(
      [...here(), 'enqueue', 'twice', '{"n":1}', '--retry', '{"kind":"often"}'],
      /expected kind to be one of .*, got "often"/,
    )
  })
})
