import { z } from 'zod'
import type { Graph } from '../../src/flow/graph.ts'
import { flow, orElse, settled, succeeded, task } from '../../src/index.ts'

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

const shop = flow({ name: 'shop', input: any }, (input) => {
  const answer = orElse(ping(input), () => copy(input))
  return { answer, alarms: alarm.map([1, 2], () => answer) }
})

/** A flow with maps: of a task, of its results, and of a flow with one inside. */
export const MAPS: Graph = flow({ name: 'maps', input: z.array(z.string()) }, (input) => {
  const loaded = load.map(input)
  const checked = copy.with({ key: 'check' }).map(loaded, { tolerate: 0.1 })
  const shops = shop.map(input, { tolerate: 3 })
  report({ checked: succeeded(checked), shops })
}).graph

/** A flow with nodes that wait for runs of other flows. */
export const WITH_RUNS: Graph = flow({ name: 'with-runs', input: any }, () => {
  const small = flow({ name: 'small', input: any }, () => ping({}))
  const first = small.asRun()({})
  report({ first, last: small.asRun({ key: 'last', queue: 'far', after: [first] })({}) })
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
