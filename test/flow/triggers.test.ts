import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { compileGraph } from '../../src/flow/compile.ts'
import { and, is, not, or } from '../../src/flow/conditions.ts'
import { flow } from '../../src/flow/flow.ts'
import { MAX_UPSTREAMS, type TaskNode } from '../../src/flow/graph.ts'
import { parseGraph } from '../../src/flow/graph-schema.ts'
import { firstOf, orElse, settled } from '../../src/flow/joins.ts'
import type { NodeOptions } from '../../src/flow/node-options.ts'
import { resolveTemplate } from '../../src/flow/templates.ts'
import { atLeast, atMost, NAMED_TRIGGERS, type Trigger } from '../../src/flow/trigger.ts'
import { alert, list, take } from './tasks.ts'

const none = z.object({})

/** The last node of a flow of three nodes and one with a trigger that waits for them. */
function triggered(options: NodeOptions, count = 3) {
  const { graph } = flow({ name: 'f', input: none }, () => {
    const after = Array.from({ length: count }, (_, i) => take(i))
    alert.with({ after, ...options })({})
  })
  const compiled = compileGraph(graph)
  expect(parseGraph(compiled.json, 'graph')).toStrictEqual(graph)
  return { node: graph.nodes[count] as TaskNode, rule: compiled.dependants[0]?.split('.')[2] }
}

describe('a trigger', () => {
  test.each<[Trigger, NodeOptions, string]>([
    ['all_success', {}, 's'],
    ['all_success', { skipOnUpstreamSkip: true }, 's'],
    ['all_success', { skipOnUpstreamSkip: false }, 'n'],
    ['none_failed', {}, 'n'],
    ['any_failed', { skipOnUpstreamSkip: true }, 'fk'],
    [atLeast(2, 'success'), {}, 'p2'],
    [atLeast(2, 'failed'), { skipOnUpstreamSkip: true }, 'qk2'],
    [atLeast(0.5, 'failed'), {}, 'q2'],
    [atMost(0.5, 'failed'), {}, 'Q1'],
    [atMost(0, 'success'), {}, 'P0'],
  ])('%s with %o has the rule %s', (trigger, options, rule) => {
    expect(triggered({ trigger, ...options }).rule).toBe(rule)
  })

  test('has a letter of its own each', () => {
    const rules = NAMED_TRIGGERS.map((trigger) => triggered({ trigger }).rule)
    expect(new Set(rules).size).toBe(NAMED_TRIGGERS.length)
  })

  test('takes a fraction as what it says, whatever binary makes of it', () => {
    expect(triggered({ trigger: atLeast(0.1, 'failed') }, 30).rule).toBe('q3')
    expect(triggered({ trigger: atMost(0.29, 'failed') }, 100).rule).toBe('Q29')
  })

  test('stores skipOnUpstreamSkip only where it is not the trigger’s own answer', () => {
    expect(triggered({ skipOnUpstreamSkip: true }).node).not.toHaveProperty('skipOnUpstreamSkip')
    expect(triggered({ skipOnUpstreamSkip: false }).node.skipOnUpstreamSkip).toBe(false)
  })

  test.each<[string, () => unknown, string]>([
    ['atLeast(0)', () => atLeast(0, 'failed'), 'a whole number from 1 or a fraction'],
    ['atLeast(1.5)', () => atLeast(1.5, 'failed'), 'got 1.5'],
    ['atMost(-1)', () => atMost(-1, 'failed'), 'a whole number from 0'],
    ['atMost of skips', () => Reflect.apply(atMost, null, [1, 'skipped']), 'got 1 and "skipped"'],
    [
      'too many',
      () => triggered({ trigger: atLeast(4, 'failed') }),
      'expected 4 upstreams or more, got 3',
    ],
    [
      'a fast one that waits for skips',
      () => triggered({ trigger: 'any_failed_fast', skipOnUpstreamSkip: true }),
      'expected no skipOnUpstreamSkip',
    ],
    [
      'all_skipped that skips stop',
      () => triggered({ trigger: 'all_skipped', skipOnUpstreamSkip: true }),
      'it would never start',
    ],
    ['nothing to wait for', () => triggered({ trigger: 'all_done' }, 0), 'nothing to wait for'],
    [
      'a shape that only looks like one',
      () => triggered({ trigger: { kind: 'at_least', count: 1, of: 'failed', x: 1 } as never }),
      'expected one of all_success',
    ],
  ])('is refused: %s', (_name, define, message) => {
    expect(define).toThrow(message)
  })

  test.each<[Trigger, boolean | undefined]>([
    ['all_done', undefined],
    ['any_success', undefined],
    ['all_success', false],
  ])('%s takes no value straight from a node', (trigger, skipOnUpstreamSkip) => {
    const define = (use: (x: ReturnType<typeof list>) => object) =>
      flow({ name: 'f', input: none }, () => {
        const x = list({ site: 'x' })
        take.with({ trigger, skipOnUpstreamSkip, after: [x] })(use(x))
      })
    expect(() => define((x) => ({ title: x.title }))).toThrow('which may have no value then')
    expect(() => define((x) => ({ outcome: settled(x) }))).not.toThrow()
  })

  test('that is fast uses nothing but the run’s input', () => {
    const define = () =>
      flow({ name: 'f', input: none }, () => {
        const x = list({ site: 'x' })
        take.with({ trigger: 'any_failed_fast', after: [x] })(settled(x))
      })
    expect(define).toThrow('need not have ended then')
  })

  test.each<Trigger>(['all_done', 'any_success', 'none_failed'])(
    '%s is refused in a plan, where it would start although the plan is not needed',
    (trigger) => {
      const define = () =>
        flow({ name: 'f', input: none }, () =>
          orElse(take(1), () => {
            const y = take(2)
            alert.with({ trigger, after: [y] })({})
            return y
          }),
        )
      expect(define).toThrow('inside of a plan of orElse()')
    },
  )
})

describe('a condition', () => {
  const holds = (build: Parameters<typeof conditionOf>[0], input: unknown) => {
    const condition = conditionOf(build)
    return resolveTemplate(condition, () => input as never)
  }

  test.each<[unknown, boolean]>([
    [{ a: 'x', b: true }, true],
    [{ a: 'x', b: 'true' }, false],
    [{ a: 'y', b: true }, false],
    [{}, false],
  ])('of %o is %s', (input, expected) => {
    expect(holds((ref) => and(is(ref.a, 'x'), ref.b), input)).toBe(expected)
    expect(holds((ref) => not(and(is(ref.a, 'x'), ref.b)), input)).toBe(!expected)
    expect(holds((ref) => not(or(not(is(ref.a, 'x')), not(ref.b))), input)).toBe(expected)
  })

  test('finds a value that is missing to be null', () => {
    expect(holds((ref) => is(ref.c, null), {})).toBe(true)
  })

  test('waits for the nodes that it looks at', () => {
    const { graph } = flow({ name: 'f', input: none }, () => {
      const x = list({ site: 'x' })
      take.with({ if: is(x.title, 'x') })(1)
    })
    expect(graph.nodes[1]).toMatchObject({ upstreams: [0], if: { to: 'x' } })
    expect(compileGraph(graph).needs[1]).toBe('0')
    expect(parseGraph(compileGraph(graph).json, 'graph')).toStrictEqual(graph)
  })

  test.each<[string, () => unknown, string]>([
    ['a constant as if', () => take.with({ if: true as never })(1), 'expected a Ref to a boolean'],
    ['a constant in is', () => Reflect.apply(is, null, [1, 1]), 'expected a Ref, got 1'],
    ['an object as literal', () => Reflect.apply(is, null, [take(1), {}]), 'expected a string'],
    ['NaN', () => Reflect.apply(is, null, [take(1), Number.NaN]), 'a finite number'],
    ['and of nothing', () => and(), 'expected one condition or more'],
    [
      'a value of a failed node',
      () => {
        const x = list({ site: 'x' })
        take.with({ trigger: 'all_done', after: [x], if: is(x.title, 'x') })(1)
      },
      'which may have no value then',
    ],
  ])('is refused: %s', (_name, build, message) => {
    expect(() => flow({ name: 'f', input: none }, () => void build())).toThrow(message)
  })

  test('is refused outside of a build function', () => {
    expect(() => and()).toThrow("outside of a flow's build function")
  })

  function conditionOf(build: (ref: ReturnType<typeof JSON.parse>) => unknown) {
    const { graph } = flow({ name: 'f', input: z.object({}) }, (input) => {
      take.with({ if: build(input) as never })(1)
    })
    return (graph.nodes[0] as Required<TaskNode>).if
  }
})

describe('firstOf', () => {
  test('makes one node that waits for all, in the order of preference', () => {
    const { graph } = flow({ name: 'f', input: none }, () => {
      const [a, b] = [take(1), list({ site: 'x' })]
      return firstOf(b.title, a)
    })
    expect(graph.nodes[2]).toEqual({
      kind: 'first',
      key: '$first',
      upstreams: [1, 0],
      paths: [['title'], []],
    })
    expect(compileGraph(graph).dependants[0]).toBe('2.2.V.0.0')
  })

  test.each<[string, () => unknown, string]>([
    ['one', () => Reflect.apply(firstOf, null, [take(1)]), 'two Refs or more, got 1'],
    [
      'a constant',
      () => Reflect.apply(firstOf, null, [take(1), 2]),
      'firstOf(...refs): 2: expected a Ref',
    ],
    [
      'one node twice',
      () => {
        const x = list({ site: 'x' })
        return firstOf(x.title, x.urls)
      },
      'got one twice',
    ],
  ])('refuses %s', (_name, build, message) => {
    expect(() => flow({ name: 'f', input: none }, () => void build())).toThrow(message)
  })
})

describe('flow', () => {
  test('refuses more upstreams than their counters hold', () => {
    const define = (count: number) => () =>
      flow({ name: 'f', input: none }, () => {
        const after = Array.from({ length: count }, () => take(1))
        take.with({ key: 'end', after })(1)
      })
    expect(define(MAX_UPSTREAMS + 1)).toThrow('end waits for 65536 nodes, 65535 are possible')
    expect(define(MAX_UPSTREAMS)).not.toThrow()
  })

  test('stores the nodes that count', () => {
    const { graph } = flow({ name: 'f', input: none, succeedsWhen: ['b', 'take'] }, () => {
      take(1)
      take(2)
      take.with({ key: 'b' })(3)
    })
    expect(graph.succeedsWhen).toEqual([0, 2])
    expect(compileGraph(graph).fields).toContain('succeedsWhen')
    expect(parseGraph(compileGraph(graph).json, 'graph')).toStrictEqual(graph)
  })

  test.each([
    [
      ['tak'],
      'expected keys of nodes that call a task or start a run, or of maps (take), got "tak"',
    ],
    [[], 'got none'],
  ])('refuses succeedsWhen: %o', (succeedsWhen, message) => {
    const define = () => flow({ name: 'f', input: none, succeedsWhen }, () => take(1))
    expect(define).toThrow(message)
  })
})
