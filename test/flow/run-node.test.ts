import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { compileGraph } from '../../src/flow/compile.ts'
import { flow } from '../../src/flow/flow.ts'
import { parseGraph } from '../../src/flow/graph-schema.ts'
import { orElse, settled } from '../../src/flow/joins.ts'
import type { RunNodeOptions } from '../../src/flow/node-options.ts'
import { policy } from '../../src/strategies/policy.ts'
import { ping, take } from './tasks.ts'

const none = z.object({})
const site = z.object({ url: z.string() })
const crawl = flow({ name: 'crawl', input: site }, ({ url }) => ping({ url }).text)
const placed = flow(
  { name: 'placed', input: site, queue: 'slow', priority: 5, retry: 9 },
  (input) => ping({ url: input.url }),
)

describe('flow.asRun', () => {
  test('adds one node, which says what it starts', () => {
    const { graph, nodes, runNodes } = flow({ name: 'f', input: site, queue: 'own' }, (input) => {
      const first = crawl.asRun()({ url: input.url })
      const options = { key: 'again', queue: 'q', priority: 1, delay: 5, after: [first] }
      return { first, last: placed.asRun(options)({ url: 'x' }) }
    })
    expect(graph.nodes).toEqual([
      {
        kind: 'run',
        key: 'crawl',
        child: { flow: 'crawl' },
        input: { obj: { url: { ref: 'input', path: ['url'] } } },
        trigger: 'all_success',
        upstreams: [],
      },
      {
        kind: 'run',
        key: 'again',
        child: { flow: 'placed', queue: 'slow', priority: 5 },
        input: { lit: { url: 'x' } },
        trigger: 'all_success',
        upstreams: [0],
        queue: 'q',
        priority: 1,
        delayMs: 5,
      },
    ])
    expect(graph.output).toEqual({
      obj: { first: { ref: 0, path: [] }, last: { ref: 1, path: [] } },
    })
    expect(nodes.size).toBe(0)
    expect([...runNodes]).toEqual([
      ['crawl', {}],
      ['again', {}],
    ])
  })

  test('keeps its policies beside the graph, and its crash limit in it', () => {
    const retry = policy.constant({ delay: 1, maxRetries: 2, maxCrashes: 7 })
    const inner = flow({ name: 'inner', input: none, retry: 1 }, () =>
      crawl.asRun({ retry })({ url: 'x' }),
    )
    const outer = flow({ name: 'outer', input: none, retry: 2 }, () => [
      inner({}),
      crawl.asRun()({ url: 'y' }),
    ])
    expect(outer.graph.nodes).toMatchObject([
      { key: 'inner/crawl', maxCrashes: 7 },
      { key: 'crawl', maxCrashes: 3 },
    ])
    expect(outer.runNodes.get('inner/crawl')?.retry).toEqual(retry)
    expect(outer.runNodes.get('inner/crawl')?.flowRetry).toBeDefined()
    expect(outer.runNodes.get('crawl')?.retry).toBeUndefined()
  })

  test('takes a free key of the flow’s name', () => {
    const { graph } = flow({ name: 'f', input: none }, () => [
      crawl({ url: 'inlined' }),
      crawl.asRun()({ url: 'a' }),
      crawl.asRun()({ url: 'b' }),
    ])
    expect(graph.nodes.map(({ key }) => key)).toEqual(['crawl/ping', 'crawl', 'crawl-2'])
  })

  test('has a value that joins, triggers and conditions take as any node’s', () => {
    const define = () =>
      flow({ name: 'f', input: z.object({ url: z.string(), isWanted: z.boolean() }) }, (input) => {
        const x = crawl.asRun({ if: input.isWanted })({ url: input.url })
        const y = orElse(x, () => crawl.asRun({ key: 'plan' })({ url: 'b' }))
        ping.with({ key: 'alert', trigger: 'any_failed', after: [x] })({ url: 'c' })
        crawl.asRun({ key: 'end', trigger: 'all_done', after: [x] })({ url: 'd' })
        return take({ a: [y, settled(x)] })
      })
    const { graph } = define()
    const keys = graph.nodes.map(({ key }) => key)
    const upstreamsOf = (key: string) =>
      graph.nodes[keys.indexOf(key)]?.upstreams.map((index) => keys[index])
    expect(upstreamsOf('plan')).toEqual(['$gate'])
    expect(upstreamsOf('alert')).toEqual(['crawl'])
    expect(upstreamsOf('end')).toEqual(['crawl'])
  })

  test('can be named in succeedsWhen', () => {
    const { graph } = flow({ name: 'f', input: none, succeedsWhen: ['crawl'] }, () => [
      ping({ url: 'a' }),
      crawl.asRun()({ url: 'b' }),
    ])
    expect(graph.succeedsWhen).toEqual([1])
  })

  test.each<[string, object, string]>([
    ['a timeout', { timeout: '1s' }, 'crawl.asRun(): ✖ Unrecognized key: "timeout"'],
    ['a lock', { lock: 'a' }, 'crawl.asRun(): ✖ Unrecognized key: "lock"'],
    ['a bad key', { key: 'a/b' }, 'crawl.asRun(): ✖ expected 1 to 100 letters'],
    ['a bad retry', { retry: -1 }, 'crawl.asRun(): ✖ retry: expected a number of retries'],
    [
      'a trigger without upstreams',
      { trigger: 'all_done' },
      "crawl.asRun(): trigger: 'all_done': expected a node in after",
    ],
  ])('refuses %s', (_what, options, message) => {
    const define = () =>
      flow({ name: 'f', input: none }, () => crawl.asRun(options as RunNodeOptions)({ url: 'x' }))
    expect(define).toThrow(message)
  })

  test('refuses a key that is taken', () => {
    const define = () =>
      flow({ name: 'f', input: none }, () => [
        ping.with({ key: 'x' })({ url: 'a' }),
        crawl.asRun({ key: 'x' })({ url: 'b' }),
      ])
    expect(define).toThrow('crawl.asRun(): key: expected a key that no other node of the flow has')
  })

  test('refuses to be called outside of a build function', () => {
    expect(() => crawl.asRun()({ url: 'x' })).toThrow(
      'crawl.asRun() of the flow "crawl" was called outside of another flow\'s build function',
    )
  })
})

describe('a stored graph with a node that waits for a child run', () => {
  const { graph } = flow({ name: 'f', input: site }, (input) => {
    const first = ping({ url: input.url })
    return [placed.asRun()({ url: first.text }), crawl.asRun()({ url: 'x' })]
  })

  test('is read as it was written', () => {
    const read = parseGraph(compileGraph(graph).json, 'graph:1')
    expect(read).toStrictEqual(graph)
  })

  test('names those nodes for the scripts, and what they need', () => {
    const { fields, needs, roots, places } = compileGraph(graph)
    expect(fields[fields.indexOf('runs') + 1]).toBe('1,2')
    expect(needs).toEqual(['i', '0', ''])
    expect(roots).toEqual([0, 2])
    expect(places).toEqual([0, 0, 0])
  })

  test('has the field only where there is such a node', () => {
    expect(compileGraph(crawl.graph).fields).not.toContain('runs')
  })

  test.each<[string, object]>([
    ['without the child’s flow', { child: {} }],
    ['with an unknown field', { child: { flow: 'a', delay: 1 } }],
    ['with a task', { task: 'a' }],
  ])('is refused %s', (_what, change) => {
    const nodes = graph.nodes.map((node, index) => (index === 1 ? { ...node, ...change } : node))
    expect(() => parseGraph(JSON.stringify({ ...graph, nodes }), 'graph:1')).toThrow('nodes[1]')
  })
})
