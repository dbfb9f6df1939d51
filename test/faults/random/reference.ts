import type { FinalNodeState, FinalRunState } from '../../../src/index.ts'
import type { Item, Program, Script } from './program.ts'

/** How a node of a program should end. */
export interface ExpectedNode {
  readonly state: FinalNodeState
  readonly forgiven: boolean
  readonly attempts: number
}

export interface Expectation {
  readonly run: FinalRunState
  readonly nodes: readonly ExpectedNode[]
}

/** How a run of the program should end, by what the documentation says of triggers, joins and forgiveness. */
export function expectationOf(program: Program): Expectation {
  const states: FinalNodeState[] = []
  for (const item of program) states.push(stateOf(item, states))
  const forgiven = forgivenIn(program, states)
  const nodes = program.map((item, i): ExpectedNode => {
    const state = states[i] ?? 'skipped'
    const hasRun = item.kind === 'task' && (state === 'succeeded' || state === 'failed')
    return {
      state,
      forgiven: forgiven.has(i),
      attempts: hasRun ? attemptsOf(item.script) : 0,
    }
  })
  const isGreen = nodes.every(({ state, forgiven }) => forgiven || !isFailure(state))
  return { run: isGreen ? 'succeeded' : 'failed', nodes }
}

/** How many attempts the script takes. */
function attemptsOf({ errors }: Script): number {
  return errors + 1
}

/** Everything that a node waits for. */
function upstreamsOf(item: Item): readonly number[] {
  switch (item.kind) {
    case 'task':
      return [...item.uses, ...item.after, ...item.gates]
    case 'settled':
    case 'gate':
      return [item.of]
    case 'join':
      return [item.x, item.y]
  }
}

function isFailure(state: FinalNodeState | undefined): boolean {
  return state === 'failed' || state === 'upstream_failed'
}

function stateOf(item: Item, states: readonly FinalNodeState[]): FinalNodeState {
  const upstreams = upstreamsOf(item).map((i) => states[i])
  const someFailed = upstreams.some(isFailure)
  switch (item.kind) {
    case 'settled':
      return 'succeeded'
    case 'gate':
      return someFailed ? 'succeeded' : 'skipped'
    case 'join':
      if (upstreams.includes('succeeded')) return 'succeeded'
      return someFailed ? 'upstream_failed' : 'skipped'
    case 'task':
      if (item.trigger === 'any_failed' && !someFailed) return 'skipped'
      if (item.trigger === 'all_success' && someFailed) return 'upstream_failed'
      if (item.trigger === 'all_success' && upstreams.includes('skipped')) return 'skipped'
      return item.script.last === 'succeed' ? 'succeeded' : 'failed'
  }
}

/** An `orElse` that has a value forgives its x, and the failed nodes that made x fail. */
function forgivenIn(program: Program, states: readonly FinalNodeState[]): Set<number> {
  const forgiven = new Set<number>()
  const forgive = (i: number): void => {
    const item = program[i]
    if (!item || !isFailure(states[i])) return
    forgiven.add(i)
    if (states[i] === 'upstream_failed') for (const upstream of upstreamsOf(item)) forgive(upstream)
  }
  program.forEach((item, i) => {
    if (item.kind === 'join' && states[i] === 'succeeded') forgive(item.x)
  })
  return forgiven
}
