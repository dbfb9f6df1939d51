import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { DefinitionError } from '../../src/core/errors.ts'
import { flow } from '../../src/flow/flow.ts'
import type { Graph } from '../../src/flow/graph.ts'
import { at } from '../../src/flow/refs.ts'
import { task } from '../../src/flow/task.ts'
import { policy } from '../../src/strategies/policy.ts'
import { alert, list, ping, take } from './tasks.ts'

const none = z.object({})

function keysOf(graph: Graph): string[] {
  return graph.nodes.map((node) => node.key)
}

describe('flow', () => {
  test('turns a build function into a graph', () => {
    const crawl = flow({ name: 'crawl', input: z.object({ site: z.string() }) }, (input) => {
      const { urls, title } = list({ site: input.site })
      const first = ping({ url: at(urls, 0), note: title })
      const last = ping.with({ after: [first, urls], delay: 10 })({ url: 'x' })
      return { texts: [first.text, last.text], constant: { a: 1 } }
    })
    expect(crawl.graph).toEqual({
      v: 1,
      flow: 'crawl',
      nodes: [
        {
          kind: 'task',
          key: 'list',
          task: 'list',
          input: { obj: { site: { ref: 'input', path: ['site'] } } },
          trigger: 'all_success',
          upstreams: [],
        },
        {
          kind: 'task',
          key: 'ping',
          task: 'ping',
          input: {
            obj: { url: { ref: 0, path: ['urls', 0] }, note: { ref: 0, path: ['title'] } },
          },
          trigger: 'all_success',
          upstreams: [0],
        },
        {
          kind: 'task',
          key: 'ping-2',
          task: 'ping',
          input: { lit: { url: 'x' } },
          trigger: 'all_success',
          upstreams: [0, 1],
          delayMs: 10,
        },
      ],
      output: {
        obj: {
          texts: {
            arr: [
              { ref: 1, path: ['text'] },
              { ref: 2, path: ['text'] },
            ],
          },
          constant: { lit: { a: 1 } },
        },
      },
    })
  })

  test('runs the build function once, and holds what the graph can not', () => {
    let builds = 0
    const input = z.object({})
    const defined = flow({ name: 'f', input, retry: 2, queue: 'q', priority: 7 }, () => {
      builds += 1
      ping({ url: 'x' })
    })
    const flowRetry = policy.exponential({ maxRetries: 2 })
    expect(builds).toBe(1)
    expect({ ...defined }).toMatchObject({
      kind: 'flow',
      queue: 'q',
      priority: 7,
      retry: flowRetry,
    })
    expect(defined.name).toBe('f')
    expect(defined.input).toBe(input)
    expect(defined.nodes.get('ping')).toEqual({ task: ping.definition, flowRetry })
    expect(defined.graph.output).toEqual({ lit: null })
  })

  test('can not be changed afterwards', () => {
    const { graph } = flow({ name: 'f', input: none }, () => take({ list: [1] }))
    const [node] = graph.nodes
    expect(Object.isFrozen(graph.nodes)).toBe(true)
    expect(node?.kind === 'task' && 'lit' in node.input && Object.isFrozen(node.input.lit)).toBe(
      true,
    )
  })

  test('finds free keys around those that were chosen', () => {
    const { graph } = flow({ name: 'f', input: none }, () => {
      ping.with({ key: 'ping-2' })({ url: 'x' })
      for (let i = 0; i < 3; i++) ping({ url: 'x' })
    })
    expect(keysOf(graph)).toEqual(['ping-2', 'ping', 'ping-3', 'ping-4'])
  })

  test.each<[string, unknown, unknown, string]>([
    [
      'a name with a colon',
      { name: 'task:x', input: none },
      () => ping({ url: 'x' }),
      'got "task:x"',
    ],
    ['an unknown option', { name: 'f', input: none, runs: 1 }, () => ping({ url: 'x' }), '"runs"'],
    ['no build function', { name: 'f', input: none }, {}, 'expected the build function'],
    ['a build without nodes', { name: 'f', input: none }, () => ({ a: 1 }), 'a flow without nodes'],
    [
      'an async build',
      { name: 'f', input: none },
      async () => ping({ url: 'x' }),
      'belongs into a task',
    ],
    [
      'what JSON lacks',
      { name: 'f', input: none },
      () => [ping({ url: 'x' }), new Map()],
      'f: output[1]: expected what JSON can carry, got a Map',
    ],
  ])('refuses %s', (_name, options, build, message) => {
    const define = () => Reflect.apply(flow, undefined, [options, build])
    expect(define).toThrow(DefinitionError)
    expect(define).toThrow(message)
  })

  test('leaves no build running when a build function throws', () => {
    expect(() =>
      flow({ name: 'f', input: none }, () => {
        throw new Error('mine')
      }),
    ).toThrow('mine')
    expect(() => ping({ url: 'x' })).toThrow('outside')
  })
})

describe('a flow in a flow', () => {
  const inner = flow(
    { name: 'inner', input: z.object({ url: z.string(), note: z.string().optional() }) },
    (input) => {
      const first = ping({ url: input.url, note: input.note })
      return { text: ping({ url: first.text }).text, given: input.url }
    },
  )

  test('becomes a part of the outer graph under a prefix', () => {
    const { graph, nodes } = flow(
      { name: 'outer', input: z.object({ a: z.string() }) },
      (input) => {
        const one = inner({ url: input.a })
        const two = inner({ url: one.text, note: 'n' })
        const three = inner.with({ key: 'eu' })({ url: one.given })
        ping({ url: 'x' })
        return { two, text: three.text }
      },
    )
    expect(keysOf(graph)).toEqual([
      'inner/ping',
      'inner/ping-2',
      'inner-2/ping',
      'inner-2/ping-2',
      'eu/ping',
      'eu/ping-2',
      'ping',
    ])
    expect([...nodes.keys()]).toEqual(keysOf(graph))
    expect(graph.nodes.map((node) => (node.kind === 'task' ? node.input : null))).toEqual([
      { obj: { url: { ref: 'input', path: ['a'] } } },
      { obj: { url: { ref: 0, path: ['text'] } } },
      { obj: { url: { ref: 1, path: ['text'] }, note: { lit: 'n' } } },
      { obj: { url: { ref: 2, path: ['text'] } } },
      { obj: { url: { ref: 'input', path: ['a'] } } },
      { obj: { url: { ref: 4, path: ['text'] } } },
      { lit: { url: 'x' } },
    ])
    expect(graph.output).toEqual({
      obj: {
        two: { obj: { text: { ref: 3, path: ['text'] }, given: { ref: 1, path: ['text'] } } },
        text: { ref: 5, path: ['text'] },
      },
    })
  })

  test('can be nested, and waited for', () => {
    const middle = flow({ name: 'middle', input: none }, () => inner({ url: 'm' }).text)
    const { graph } = flow({ name: 'outer', input: none }, () => {
      alert.with({ after: [middle({})] })({})
    })
    expect(keysOf(graph)).toEqual(['middle/inner/ping', 'middle/inner/ping-2', 'alert'])
    expect(graph.nodes[2]?.upstreams).toEqual([1])
  })

  test('brings its policy, queue and priority; the outermost ones are left to the run', () => {
    const own = task({ name: 'own', input: none, queue: 'own', priority: 1 }, () => 1)
    const bare = flow({ name: 'bare', input: none }, () => alert({}))
    const strict = flow({ name: 'strict', input: none, retry: 1, queue: 's', priority: 2 }, () => {
      alert({})
      own({})
      own.with({ queue: 'node' })({})
      bare({})
    })
    const { graph, nodes } = flow(
      { name: 'outer', input: none, retry: 9, queue: 'o', priority: 3 },
      () => {
        alert({})
        strict({})
        bare({})
      },
    )
    const placed = graph.nodes.map(
      (node) => node.kind === 'task' && [node.key, node.queue, node.priority],
    )
    expect(placed).toEqual([
      ['alert', undefined, undefined],
      ['strict/alert', 's', 2],
      ['strict/own', 'own', 1],
      ['strict/own-2', 'node', 1],
      ['strict/bare/alert', 's', 2],
      ['bare/alert', undefined, undefined],
    ])
    const retries = [...nodes].map(([key, node]) => [key, node.flowRetry])
    const [outer, inside] = [9, 1].map((maxRetries) => policy.exponential({ maxRetries }))
    expect(retries).toEqual([
      ['alert', outer],
      ['strict/alert', inside],
      ['strict/own', inside],
      ['strict/own-2', inside],
      ['strict/bare/alert', inside],
      ['bare/alert', outer],
    ])
  })

  test.each<[string, () => unknown, string]>([
    [
      'outside of a build function',
      () => inner({ url: 'x' }),
      'call producer.enqueue(flow, input)',
    ],
    [
      'with a prefix that is taken',
      () =>
        flow({ name: 'outer', input: none }, () => {
          inner({ url: 'x' })
          inner.with({ key: 'inner' })({ url: 'x' })
        }),
      'inner.with(): key: expected a key that no other node of the flow has, got "inner/" again',
    ],
    [
      'with an option that only tasks have',
      () => Reflect.apply(inner.with, inner, [{ retry: 1 }]),
      '"retry"',
    ],
    [
      'and waited for without an output',
      () => {
        const silent = flow({ name: 'silent', input: none }, () => {
          alert({})
        })
        flow({ name: 'outer', input: none }, () => {
          alert.with({ after: [silent({})] })({})
        })
      },
      'after[0]: expected a Ref to a node',
    ],
  ])('is refused when it is called %s', (_name, call, message) => {
    expect(call).toThrow(DefinitionError)
    expect(call).toThrow(message)
  })
})
