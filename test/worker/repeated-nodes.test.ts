import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Rerun } from '../../src/core/lineage.ts'
import { formatIndices, holdsIndex, workRunOf } from '../../src/worker/repeated-nodes.ts'

test('ranges hold what they were made of, and nothing else', () => {
  expect(formatIndices([0, 1, 2, 7, 9, 10], [3, 5, 8, 11, 14, 20])).toBe('0-2,7,9-10')
  expect(formatIndices([5, 1_000_005, 2_000_005], [3])).toBe('!3')
  expect(formatIndices([5, 1_000_005, 2_000_005], [])).toBe('!')
  expect(holdsIndex('!', 3)).toBe(true)
  const indices = fc.uniqueArray(fc.nat(40), { minLength: 1 })
  fc.assert(
    fc.property(indices, (drawn) => {
      const all = Array.from({ length: 41 }, (_, index) => index)
      const others = all.filter((index) => !drawn.includes(index))
      const text = formatIndices(drawn, others)
      for (const index of all) expect(holdsIndex(text, index)).toBe(drawn.includes(index))
    }),
  )
})

test('the work of a node is that of the first run, or of the run that was to do it again', () => {
  const rerun: Rerun = {
    of: '0-a~1',
    rootId: '0-root',
    strategy: 'all',
    by: 'hand',
    retryNumber: 0,
    delays: [],
    repeated: [
      { run: '0-a~1', nodes: '0-3' },
      { run: '0-a~1~2', nodes: '2' },
    ],
  }
  expect(workRunOf('0-a', 0, undefined)).toBe('0-a')
  expect(workRunOf('0-a~1~2~1', 1, rerun)).toBe('0-a~1')
  expect(workRunOf('0-a~1~2~1', 2, rerun)).toBe('0-a~1~2')
  expect(workRunOf('0-a~1~2~1', 4, rerun)).toBe('0-a')
})
