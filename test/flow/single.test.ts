import { expect, test } from 'vitest'
import { z } from 'zod'
import { compileGraph } from '../../src/flow/compile.ts'
import { parseGraph } from '../../src/flow/graph-schema.ts'
import { SINGLE_TASK_PREFIX, singleTaskFlow } from '../../src/flow/single.ts'
import { task } from '../../src/flow/task.ts'

test('singleTaskFlow makes a flow of one node that gets the raw input', () => {
  const input = z.object({ n: z.string().transform(Number) })
  const double = task(
    { name: 'double', input, retry: 3, queue: 'q', priority: 2 },
    ({ n }) => n * 2,
  )
  const single = singleTaskFlow(double)
  expect(single).toMatchObject({ name: 'task:double', queue: 'q', priority: 2 })
  expect(single.name.startsWith(SINGLE_TASK_PREFIX)).toBe(true)
  expect(single.input.parse({ n: '4' })).toEqual({ n: '4' })
  expect(single.nodes.get('double')).toEqual({ task: double.definition })
  const { json, roots, needs, outputSources } = compileGraph(single.graph)
  expect(parseGraph(json, 'graph')).toEqual(single.graph)
  expect({ roots, needs }).toEqual({ roots: [0], needs: ['i'] })
  expect(outputSources).toEqual({ input: false, nodes: [0], hasGroups: false, items: [] })
})
