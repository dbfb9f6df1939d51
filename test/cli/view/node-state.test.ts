import { describe, expect, test } from 'vitest'
import { stateText } from '../../../src/cli/view/node-state.ts'
import type { NodeSnapshot } from '../../../src/coordinator/run-snapshot.ts'
import { node } from '../snapshots.ts'

describe('stateText', () => {
  test.each<[string, Partial<NodeSnapshot>]>([
    ['skipped (condition)', { state: 'skipped', skipReason: 'condition' }],
    ['skipped (upstream skipped)', { state: 'skipped', skipReason: 'upstream_skipped' }],
    ['skipped (not needed)', { state: 'skipped', skipReason: 'not_needed' }],
    ['upstream failed (a, b)', { state: 'upstream_failed', causedBy: 'a', causes: ['a', 'b'] }],
    [
      'upstream failed (a, b, c, 2 more)',
      { state: 'upstream_failed', causes: ['a', 'b', 'c', 'd', 'e'] },
    ],
    ['failed, forgiven', { state: 'failed', forgiven: true }],
  ])('says %s', (text, parts) => {
    expect(stateText(node('x', parts), 0)).toBe(text)
  })
})
