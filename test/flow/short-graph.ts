import { z } from 'zod'
import { compileGraph } from '../../src/flow/compile.ts'
import { flow } from '../../src/flow/flow.ts'
import type { Graph } from '../../src/flow/graph.ts'
import { parseGraph } from '../../src/flow/graph-schema.ts'
import type { Ref } from '../../src/flow/ref-types.ts'

const input = z.object({
  site: z.string(),
  orders: z.array(z.object({ id: z.string(), lines: z.array(z.number()) })),
})

type Input = z.output<typeof input>

/** The graph of a flow over orders, which is checked as one that was stored. */
export function graphOf(build: (input: Ref<Input>) => unknown): Graph {
  const { graph } = flow({ name: 'f', input }, build)
  return parseGraph(compileGraph(graph).json, 'graph')
}

/** Each node in short: its key and its upstreams' keys; in a map's body that of the map, too. */
export function shortNodes(build: (input: Ref<Input>) => unknown): unknown[] {
  const { nodes } = graphOf(build)
  return nodes.map(({ key, upstreams, map }) => {
    const waitsFor = upstreams.map((index) => nodes[index]?.key)
    return map === undefined ? [key, waitsFor] : [key, waitsFor, nodes[map]?.key]
  })
}
