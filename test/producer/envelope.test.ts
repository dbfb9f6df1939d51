import { describe, expect, test } from 'vitest'
import { newRunId } from '../../src/core/ids.ts'
import { readEnvelope, readRunOptions, readTicketData } from '../../src/producer/envelope.ts'

const FLOW = { v: 1, kind: 'flow', flow: 'report', input: { topic: 'x' } }
const TASK = { v: 1, kind: 'task', task: 'ping', input: null }
const OPTIONS = {
  tags: ['nightly'],
  retry: { name: 'exponential', options: { maxRetries: 3 } },
  retries: 'off',
  nodes: { ping: { retry: 5 }, 'eu/ping': {} },
}

function without(field: string, envelope: object = FLOW): object {
  return Object.fromEntries(Object.entries(envelope).filter(([name]) => name !== field))
}

describe('readEnvelope', () => {
  test.each<[string, unknown]>([
    ['a flow', FLOW],
    ['a task', TASK],
    ['a flow with options', { ...FLOW, options: { tags: ['a'], retries: 'off' } }],
    ['empty options', { ...FLOW, options: {} }],
    ['an input that is false', { ...FLOW, input: false }],
    ['an input that is an array', { ...TASK, input: [] }],
    ['a shorthand policy', { ...TASK, options: { retry: 5 } }],
    ['no retries for one node', { ...FLOW, options: { nodes: { 'eu/ping': { retry: false } } } }],
  ])('reads %s', (_name, data) => {
    expect(readEnvelope(data)).toEqual({ envelope: data })
  })

  test('reads a run retry as data, with its defaults', () => {
    const options = { runRetry: { maxRetries: 2, policy: { kind: 'constant', delay: '1m' } } }
    expect(readEnvelope({ ...FLOW, options })).toMatchObject({
      envelope: {
        options: {
          runRetry: {
            maxRetries: 2,
            strategy: 'from-failure',
            policy: { kind: 'constant', delay: 60_000 },
          },
        },
      },
    })
  })

  test.each<[string, unknown, RegExp]>([
    ['nothing', undefined, /expected object|expected kind/i],
    ['null', null, /expected object|expected kind/i],
    ['a text', 'flow', /expected object|expected kind/i],
    ['an array', [FLOW], /expected object/i],
    ['an empty object', {}, /expected kind 'flow' or 'task'/],
    ['another kind', { ...FLOW, kind: 'job' }, /expected kind 'flow' or 'task'[\s\S]*at kind/],
    ['no version', without('v'), /expected 1, the version of the wire format/],
    ['a newer version', { ...FLOW, v: 2 }, /that this worker reads, got 2[\s\S]*at v/],
    ['a version as text', { ...FLOW, v: '1' }, /got "1"/],
    ['no flow', without('flow'), /expected string[\s\S]*at flow/],
    ['an empty flow', { ...FLOW, flow: '' }, /at flow/],
    ['a number as flow', { ...FLOW, flow: 7 }, /expected string, received number[\s\S]*at flow/],
    ['no task', without('task', TASK), /at task/],
    ['a task in a flow', { ...FLOW, task: 'ping' }, /Unrecognized key: "task"/],
    ['no input', without('input'), /expected an input \(any JSON\)[\s\S]*at input/],
    ['an unknown field', { ...FLOW, priority: 3 }, /Unrecognized key: "priority"/],
    ['options that are no object', { ...FLOW, options: 3 }, /at options/],
    [
      'an unknown option',
      { ...FLOW, options: { delay: 5 } },
      /Unrecognized key: "delay"[\s\S]*at options/,
    ],
    ['tags that are no list', { ...FLOW, options: { tags: 'a' } }, /at options\.tags/],
    ['an empty tag', { ...FLOW, options: { tags: [''] } }, /at options\.tags\[0\]/],
    ['too many tags', { ...FLOW, options: { tags: Array(51).fill('t') } }, /at options\.tags/],
    ['a wrong switch', { ...FLOW, options: { retries: 'on' } }, /at options\.retries/],
    ['a policy that is none', { ...FLOW, options: { retry: 'fast fast' } }, /at options\.retry/],
    ['a negative count', { ...FLOW, options: { retry: -1 } }, /at options\.retry/],
    [
      'a node’s policy that is none',
      { ...FLOW, options: { nodes: { ping: { retry: -1 } } } },
      /at options\.nodes\.ping\.retry/,
    ],
    [
      'an unknown option of a node',
      { ...FLOW, options: { nodes: { ping: { queue: 'q' } } } },
      /Unrecognized key: "queue"[\s\S]*at options\.nodes\.ping/,
    ],
    [
      'a run retry that is none',
      { ...FLOW, options: { runRetry: { maxRetries: 1, strategy: 'some' } } },
      /one of 'from-failure', 'all', got "some"[\s\S]*at options\.runRetry/,
    ],
    ['a record of a rerun', { ...FLOW, options: { rerun: {} } }, /Unrecognized key: "rerun"/],
    [
      'a parent that is no run',
      { ...FLOW, options: { parent: { runId: 'mine', node: 'a', rootId: '0-x' } } },
      /expected the id of a run\n.*at options\.parent\.runId/,
    ],
    [
      'a parent without a root',
      { ...FLOW, options: { parent: { runId: newRunId(0), node: 'a' } } },
      /at options\.parent\.rootId/,
    ],
    [
      'a parent whose node is none',
      { ...FLOW, options: { parent: { runId: newRunId(0), node: 'a b', rootId: newRunId(0) } } },
      /expected the key of a node\n.*at options\.parent\.node/,
    ],
  ])('says what is wrong with %s', (_name, data, problem) => {
    const read = readEnvelope(data)
    expect('problem' in read && read.problem).toMatch(problem)
    expect('problem' in read && read.problem).toMatch(
      /^the job's data is no envelope of version 1:\n/,
    )
  })
})

describe('readRunOptions', () => {
  test('reads options as they are', () => {
    const { retry: _, ...plain } = OPTIONS
    expect(readRunOptions(plain)).toEqual({ options: plain })
  })

  test('names the option that is wrong', () => {
    const read = readRunOptions({ tags: [7] })
    expect('problem' in read && read.problem).toMatch(
      /expected string, received number[\s\S]*at tags\[0\]/,
    )
  })
})

describe('readTicketData', () => {
  const data = { v: 1, run: '0-x', ticket: 3, flow: 'report', node: 'ping' }

  test('reads the data of our tickets', () => {
    expect(readTicketData(data)).toEqual(data)
  })

  test.each<[string, unknown]>([
    ['an envelope', FLOW],
    ['null', null],
    ['a text', 'ticket'],
    ['another version', { ...data, v: 2 }],
    ['a ticket that is no number', { ...data, ticket: '3' }],
    ['no run', without('run', data)],
  ])('is null for %s', (_name, other) => {
    expect(readTicketData(other)).toBeNull()
  })
})
