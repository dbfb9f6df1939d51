import { describe, expect, test } from 'vitest'
import { policy } from '../../src/strategies/policy.ts'
import { maxRetriesOf } from '../../src/strategies/policy-limits.ts'
import { choosePolicy, type PolicyLayers } from '../../src/strategies/precedence.ts'

const LAYERS = ['enqueue', 'node', 'task', 'flow', 'worker'] as const

describe('choosePolicy', () => {
  test.each(LAYERS.map((layer, i) => [layer, LAYERS.slice(i)] as const))(
    '%s beats all that come after it',
    (first, set) => {
      const layers = Object.fromEntries(set.map((layer) => [layer, LAYERS.indexOf(layer) + 1]))
      expect(maxRetriesOf(choosePolicy(layers))).toBe(LAYERS.indexOf(first) + 1)
    },
  )

  test.each<[string, PolicyLayers, number | null]>([
    ['0 is set', { node: 0, worker: 5 }, 0],
    ['false is set', { task: false, flow: 5 }, 0],
    ['policy.none() is set', { enqueue: policy.none(), task: 5 }, 0],
    ['true is set', { task: true, flow: 5 }, null],
    ['undefined is not set', { enqueue: undefined, flow: 5 }, 5],
    ['null is not set', { enqueue: null, flow: 5 }, 5],
  ])('%s', (_name, layers, expected) => expect(maxRetriesOf(choosePolicy(layers))).toBe(expected))

  test('is null when nothing is set', () => expect(choosePolicy({})).toBeNull())

  test('takes a policy whole', () => {
    const task = policy.constant({ delay: 1 })
    const flow = policy.constant({ delay: 2, maxRetries: 9, retryOn: ['A'], when: () => true })
    expect(choosePolicy({ task, flow })).toBe(task)
  })
})
