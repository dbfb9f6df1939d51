import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { DefinitionError } from '../../src/core/errors.ts'
import { flow } from '../../src/flow/flow.ts'
import { task } from '../../src/flow/task.ts'
import { policy } from '../../src/strategies/policy.ts'
import { list, ping, take } from './tasks.ts'

const input = z.object({})

describe('task', () => {
  test('keeps its definition', () => {
    const output = z.string()
    const run = () => 'x'
    const defined = task(
      {
        name: 'send',
        input,
        output,
        retry: 5,
        timeout: '30s',
        queue: 'mail',
        priority: 3,
        lock: 'mails',
      },
      run,
    )
    expect(defined.kind).toBe('task')
    expect(defined.name).toBe('send')
    expect(defined.definition).toEqual({
      name: 'send',
      input,
      output,
      run,
      retry: policy.exponential({ maxRetries: 5 }),
      timeoutMs: 30_000,
      queue: 'mail',
      priority: 3,
      lock: 'mails',
    })
  })

  test('leaves out what is not given', () => {
    const { definition } = task({ name: 'bare', input, retry: undefined }, () => 1)
    expect(Object.keys(definition).sort()).toEqual(['input', 'name', 'run'])
  })

  test.each<[string, unknown, unknown, string]>([
    ['no options', undefined, () => 1, 'task(): '],
    ['no name', { input }, () => 1, 'got undefined\n  → at name'],
    ['a name with a slash', { name: 'a/b', input }, () => 1, 'got "a/b"\n  → at name'],
    ['an empty name', { name: '', input }, () => 1, 'got ""'],
    ['a long name', { name: 'a'.repeat(101), input }, () => 1, 'expected 1 to 100 letters'],
    ['no schema', { name: 'a' }, () => 1, 'expected a zod 4 schema'],
    ['a schema that is none', { name: 'a', input: {} }, () => 1, 'expected a zod 4 schema'],
    ['an unknown option', { name: 'a', input, retries: 5 }, () => 1, '"retries"'],
    ['a bad duration', { name: 'a', input, timeout: 'soon' }, () => 1, 'expected a duration'],
    ['no time', { name: 'a', input, timeout: 0 }, () => 1, 'expected at least 1 ms'],
    ['a bad policy', { name: 'a', input, retry: -1 }, () => 1, 'got -1'],
    ['a colon in the queue', { name: 'a', input, queue: 'a:b' }, () => 1, 'without ":"'],
    ['a negative priority', { name: 'a', input, priority: -1 }, () => 1, 'got -1\n  → at priority'],
    ['an empty lock', { name: 'a', input, lock: '' }, () => 1, 'got ""\n  → at lock'],
    ['a long lock', { name: 'a', input, lock: 'x'.repeat(257) }, () => 1, '1 to 256 characters'],
    ['a lock of no kind', { name: 'a', input, lock: 7 }, () => 1, 'or a function (input) => key'],
    ['no handler', { name: 'a', input }, undefined, 'expected the handler, a function'],
  ])('refuses %s', (_name, options, run, message) => {
    const define = () => Reflect.apply(task, undefined, [options, run])
    expect(define).toThrow(DefinitionError)
    expect(define).toThrow(message)
  })

  test('says what to call instead when it is called outside of a build function', () => {
    expect(() => ping({ url: 'x' })).toThrow(
      'task "ping" was called outside of a flow\'s build function, where a call adds a node. To run it on its own, call producer.enqueue(task, input)',
    )
  })
})

describe('with', () => {
  function calling(options: unknown, call: typeof ping = ping) {
    return () =>
      flow({ name: 'f', input: z.object({ key: z.string() }) }, (given) => {
        const x = list({ site: 'x' })
        const made = typeof options === 'function' ? options(x, given) : options
        Reflect.apply(call.with, call, [made])({ url: 'x' })
      })
  }

  test.each<[string, unknown, string]>([
    ['an unknown option', { locks: 'a' }, 'ping.with(): '],
    ['an empty lock', { lock: '' }, 'lock\'s key: 1 to 256 characters, got ""'],
    ['a lock that is too long', { lock: 'x'.repeat(257) }, "expected a lock's key"],
    ['a lock made by a function', { lock: () => 'a' }, "expected a lock's key"],
    ['a key with the mark of virtual nodes', { key: '$gate' }, 'got "$gate"\n  → at key'],
    ['a key with a prefix', { key: 'eu/ping' }, 'got "eu/ping"'],
    ['a key that is taken', { key: 'list' }, 'got "list" again'],
    ['an unknown trigger', { trigger: 'sometimes' }, 'got "sometimes"'],
    ['a bad policy', { retry: 'exponential' }, 'retry'],
    [
      'a Ref as a key',
      (_x: unknown, given: { key: unknown }) => ({ key: given.key }),
      'key: expected a value that is known when the flow is defined, got Ref<input.key>',
    ],
    ['after without a list', (x: unknown) => ({ after: x }), 'after: expected a value'],
    ['no Ref in after', { after: ['list'] }, 'expected a Ref, got "list"'],
    [
      'the input in after',
      (_x: unknown, given: unknown) => ({ after: [given] }),
      'ping.with(): after[0]: expected a Ref to a node',
    ],
    ['any_failed without upstreams', { trigger: 'any_failed' }, 'it has nothing to wait for'],
  ])('refuses %s', (_name, options, message) => {
    expect(calling(options)).toThrow(DefinitionError)
    expect(calling(options)).toThrow(message)
  })

  test('refuses data straight from a node that may have failed', () => {
    const define = () =>
      flow({ name: 'f', input }, () => {
        const x = list({ site: 'x' })
        take.with({ trigger: 'any_failed', after: [x] })({ title: x.title })
      })
    expect(define).toThrow(
      "take.with(): trigger: 'any_failed': the input uses list, which may have no value then. Wait for it with after: [ref], and pass settled(ref)",
    )
  })

  test('adds up over several calls, the last one first', () => {
    const { graph, nodes } = flow({ name: 'f', input }, () => {
      const slow = ping.with({ queue: 'slow', priority: 1, timeout: '1m' })
      slow.with({ key: 'mine', priority: 2, delay: '5s', retry: false })({ url: 'x' })
      slow({ url: 'y' })
    })
    expect(graph.nodes[0]).toMatchObject({
      key: 'mine',
      queue: 'slow',
      priority: 2,
      delayMs: 5_000,
    })
    expect(graph.nodes[1]).toMatchObject({ key: 'ping', queue: 'slow', priority: 1 })
    expect(nodes.get('mine')).toEqual({
      task: ping.definition,
      retry: policy.none(),
      timeoutMs: 60_000,
    })
    expect(nodes.get('ping')).toEqual({ task: ping.definition, timeoutMs: 60_000 })
  })
})
