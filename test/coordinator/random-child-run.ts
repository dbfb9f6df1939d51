import { graphOf, node, runNode } from './graphs.ts'
import type { RandomRun } from './random-graph.ts'
import type { Step } from './run-model.ts'

/** How a child run ends unless its workers are lost too often; `cancelled`: at any time, if it has not failed by then. */
export type Fate = 'succeeded' | 'failed' | 'refused' | 'cancelled'

/** How a child must end for what is planned for its node. */
export function fateOf(planned: readonly Step[], choose: (choices: number) => number): Fate {
  const step = planned.find((planned) => planned !== 'interrupted') ?? 'succeed'
  if (step === 'succeed') return 'succeeded'
  if (step === 'skip') return 'cancelled'
  return (['failed', 'refused', 'cancelled'] as const)[choose(3)] ?? 'failed'
}

const ONE = graphOf([node('a')])
const CHAIN = graphOf([node('a'), node('b', ['a'])])
const NESTED = graphOf([runNode('x')])

/** A child run that is to end so. Only those of the first generation have children of their own. */
export function childRun(
  fate: Fate,
  generation: number,
  choose: (choices: number) => number,
): RandomRun {
  const graphs = generation === 1 ? [ONE, ONE, CHAIN, NESTED] : [ONE]
  const graph = graphs[choose(graphs.length)] ?? ONE
  const before = (['retry', 'interrupted'] as const).filter(() => choose(4) === 0)
  const steps: readonly Step[] = [...before, fate === 'succeeded' ? 'succeed' : 'fail']
  const last = graph.graph.nodes.length - 1
  return {
    graph,
    stepsOf: (index) => (index === last ? steps : ['succeed']),
    itemsOf: () => 0,
  }
}
