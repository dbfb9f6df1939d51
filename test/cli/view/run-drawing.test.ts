import { expect, test } from 'vitest'
import { z } from 'zod'
import { runDrawing } from '../../../src/cli/view/run-drawing.ts'
import { snapshotRun } from '../../../src/coordinator/run-snapshot.ts'
import { compileGraph } from '../../../src/flow/compile.ts'
import { flow, task } from '../../../src/index.ts'

const list = task({ name: 'list', input: z.unknown() }, () => [1, 2, 3])
const fetch = task({ name: 'fetch', input: z.number() }, (n) => n)
const sum = task({ name: 'sum', input: z.array(z.number()) }, (numbers) => numbers.length)
const mapped = flow({ name: 'mapped', input: z.unknown() }, (input) => sum(fetch.map(list(input))))
const graph = compileGraph(mapped.graph)

/** What is drawn of each node when the run has these fields. */
function linesOf(fields: Readonly<Record<string, string>>): Record<string, readonly string[]> {
  const base = { s: 'R', q: 'mapped', at: '1000', i: 'null', k: '1.0.0.0' }
  const run = snapshotRun('0-run', { ...base, ...fields }, {}, graph)
  const { nodes } = runDrawing({ ...run, graph }, 2_000)
  return Object.fromEntries(nodes.map(({ key, lines, state }) => [key, [state ?? '', ...lines]]))
}

test('a run with a map is drawn with how many items are in which state', () => {
  const drawn = linesOf({
    n0: 'S:1::0:0:0:100',
    n1: 'S:1::0:0:100:110',
    c1: '=3',
    n1000002: 'S:1::0:0:110:120',
    n2000002: 'F:1:2:0:0:110:130',
    n3000002: 'R:1:3:0:0:110:7',
  })
  expect(drawn).toEqual({
    list: ['succeeded', 'list', '✔ succeeded, 100ms'],
    'fetch[]': ['succeeded', 'fetch[]', '✔ succeeded, 10ms'],
    'fetch[*]': ['failed', 'fetch[*]', '1 ✖ failed, 1 ● running, 1 ✔ succeeded'],
    fetch: ['pending', 'fetch', '· pending'],
    sum: ['pending', 'sum', '· pending'],
  })
})

test('a map that has made no items yet says so', () => {
  expect(linesOf({ n0: 'R:1:0:0:0:0:1' })['fetch[*]']).toEqual(['pending', 'fetch[*]', 'no items'])
})
