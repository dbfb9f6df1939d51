import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Rerun } from '../../src/core/lineage.ts'
import { formatIndices, holdsIndex, workRunOf } from '../../src/worker/repeated-nodes.ts'

test('ranges hold what they were made of, and nothing else', () => {
  expect(formatIndices([0, 1, 2, 7, 9, 10])).toBe('0-2,7,9-10')
  const indices = fc.uniqueArray(fc.nat(40), { minLength: 1 })
  fc.assert(
    fc.property(indices, (drawn) => {
      const ranges = formatIndices(drawn.toSorted((a, b) => a - b))
      for (let index = 0; index <= 41; index++) {
        expect(holdsIndex(ranges, index)).toBe(drawn.includes(index))
      }
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
