import { z } from 'zod'
import type { Graph } from '../../src/flow/graph.ts'
import { flow, orElse, settled, task } from '../../src/index.ts'

const any = z.unknown()
const load = task({ name: 'load', input: any }, () => 1)
const ping = task({ name: 'ping', input: any }, () => 1)
const copy = task({ name: 'copy', input: any }, () => 1)
const alarm = task({ name: 'alarm', input: any }, () => 1)
const report = task({ name: 'report', input: any }, () => 1)

/** A flow with every kind of node. */
export const EVERY_KIND: Graph = flow({ name: 'every-kind', input: any }, () => {
  const loaded = load({})
  const answer = orElse(ping({ loaded }), () => copy({}))
  alarm.with({ trigger: 'any_failed', after: [loaded], queue: 'urgent' })({})
  report.with({ key: 'last', delay: '1s' })({ answer, outcome: settled(loaded) })
}).graph

/** One node, then so many side by side, then one. */
export function fanOf(width: number): Graph {
  return flow({ name: 'fan', input: any }, () => {
    const loaded = load({})
    report(Array.from({ length: width }, (_, i) => ping.with({ key: `part-${i}` })({ loaded })))
  }).graph
}

/** A graph of tasks by their upstreams, node by node. */
export function graphOf(upstreams: readonly (readonly number[])[]): Graph {
  return {
    v: 1,
    flow: 'random',
    output: { lit: null },
    nodes: upstreams.map((list, index) => ({
      kind: 'task',
      key: `node-${index}`,
      task: `node-${index}`,
      input: { lit: null },
      trigger: 'all_success',
      upstreams: list,
    })),
  }
}
