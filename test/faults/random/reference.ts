import type { FinalNodeState, FinalRunState, Trigger } from '../../../src/index.ts'
import type { Item, Program } from './program.ts'
import type { Script } from './script.ts'

/** How a node of a program should end. */
export interface ExpectedNode {
  readonly state: FinalNodeState
  readonly forgiven: boolean
  readonly attempts: number
  readonly skipReason: SkipReason | null
}

type SkipReason = 'upstream_skipped' | 'not_needed' | 'condition' | 'thrown'
type Ending = Pick<ExpectedNode, 'state' | 'skipReason'>

export interface Expectation {
  readonly run: FinalRunState
  /** Null for a node that the run doesn't have: the map that would have made it didn't run. */
  readonly nodes: readonly (ExpectedNode | null)[]
}

/** How a run of the program should end, by what the documentation says of triggers, joins and forgiveness. */
export function expectationOf(program: Program): Expectation {
  const endings: Ending[] = []
  for (const item of program) endings.push(endingOf(item, program, endings))
  const states = endings.map(({ state }) => state)
  const forgiven = forgivenIn(program, states)
  const nodes = program.map((item, i): ExpectedNode => {
    const { state, skipReason } = endings[i] ?? { state: 'skipped', skipReason: null }
    const hasRun =
      item.kind === 'task' &&
      (state === 'succeeded' || state === 'failed' || skipReason === 'thrown')
    return {
      state,
      skipReason,
      forgiven: forgiven.has(i),
      attempts: hasRun
        ? attemptsOf(item.script)
        : item.kind === 'map' && state === 'succeeded'
          ? 1
          : 0,
    }
  })
  const isGreen = nodes
    .filter((_, i) => exists(program, i, states))
    .every(({ state, forgiven }) => forgiven || !isFailure(state))
  const made = nodes.map((node, i) => (exists(program, i, states) ? node : null))
  return { run: isGreen ? 'succeeded' : 'failed', nodes: made }
}

/** A map that doesn't run makes no items, nor do the maps in these. */
function exists(program: Program, i: number, states: readonly FinalNodeState[]): boolean {
  const item = program[i]
  const map = item && 'inside' in item ? item.inside : undefined
  return map === undefined || (states[map] === 'succeeded' && exists(program, map, states))
}

/** How many attempts the script takes. */
function attemptsOf({ errors }: Script): number {
  return errors + 1
}

/** Everything that a node waits for. */
function upstreamsOf(item: Item, program: Program): readonly number[] {
  switch (item.kind) {
    case 'task': {
      const { uses, after, gates, condition } = item
      const looked = condition?.of ?? null
      const all = new Set([...uses, ...after, ...gates, ...(looked === null ? [] : [looked])])
      return isPlain(item) ? [...all] : [...new Set([...all].map((i) => toldOf(i, program)))]
    }
    case 'first':
    case 'item':
      return item.of
    case 'settled':
    case 'gate':
      return [item.of]
    case 'join':
      return [item.x, item.y]
    case 'map':
      return [...item.uses, ...item.gates]
    case 'group':
      return [item.map, ...item.items]
  }
}

/** Runs only if everything that it waits for succeeded. */
function isPlain({ trigger, skipOnUpstreamSkip }: Item & { kind: 'task' }): boolean {
  return trigger === 'all_success' && skipOnUpstreamSkip !== false
}

/** Under a trigger, a `settled` stands for the node that it tells of. */
function toldOf(i: number, program: Program): number {
  const item = program[i]
  return item?.kind === 'settled' ? toldOf(item.of, program) : i
}

function isFailure(state: FinalNodeState | undefined): boolean {
  return state === 'failed' || state === 'upstream_failed'
}

const SUCCEEDED: Ending = { state: 'succeeded', skipReason: null }
const UPSTREAM_FAILED: Ending = { state: 'upstream_failed', skipReason: null }
const skippedBy = (skipReason: SkipReason): Ending => ({ state: 'skipped', skipReason })

function endingOf(item: Item, program: Program, endings: readonly Ending[]): Ending {
  const upstreams = upstreamsOf(item, program).map((i) => endings[i]?.state)
  const someFailed = upstreams.some(isFailure)
  switch (item.kind) {
    case 'settled':
      return SUCCEEDED
    case 'gate':
      return someFailed ? SUCCEEDED : skippedBy('not_needed')
    case 'map':
      if (someFailed) return UPSTREAM_FAILED
      return upstreams.includes('skipped') ? skippedBy('upstream_skipped') : SUCCEEDED
    case 'group': {
      const [map, ...ends] = upstreams
      if (map === 'skipped') return skippedBy('upstream_skipped')
      const isLost = map !== 'succeeded' || ends.filter(isFailure).length > (item.tolerate ?? 0)
      return isLost ? UPSTREAM_FAILED : SUCCEEDED
    }
    case 'item':
    case 'join':
    case 'first':
      if (item.kind === 'item' && someFailed) return UPSTREAM_FAILED
      if (upstreams.includes('succeeded')) return SUCCEEDED
      return someFailed ? UPSTREAM_FAILED : skippedBy('upstream_skipped')
    case 'task': {
      if (upstreams.length === 0) return run(item)
      const stopped = stoppedBy(item.trigger, upstreams)
      if (stopped) return stopped
      const propagates = item.skipOnUpstreamSkip ?? item.trigger === 'all_success'
      const isSkipped = propagates && upstreams.includes('skipped')
      return isSkipped ? skippedBy('upstream_skipped') : run(item)
    }
  }
}

/** How a task ends whose turn has come. */
function run({ condition, script }: Item & { kind: 'task' }): Ending {
  if (condition && !condition.holds) return skippedBy('condition')
  if (script.last === 'skip') return skippedBy('thrown')
  return { state: script.last === 'succeed' ? 'succeeded' : 'failed', skipReason: null }
}

/** What the trigger makes of a task that doesn't run; null for one that does. */
function stoppedBy(
  trigger: Trigger,
  upstreams: readonly (FinalNodeState | undefined)[],
): Ending | null {
  const failed = upstreams.filter(isFailure).length
  const skipped = upstreams.filter((state) => state === 'skipped').length
  const all = upstreams.length
  const needs = (fires: boolean) => (fires ? null : skippedBy('not_needed'))
  const demands = (fires: boolean) => (fires ? null : UPSTREAM_FAILED)
  if (typeof trigger !== 'string') {
    const isLeast = trigger.kind === 'at_least'
    const counted = trigger.of === 'failed' ? failed : all - failed
    const fires = isLeast ? counted >= trigger.count : counted <= trigger.count
    return isLeast === (trigger.of === 'failed') ? needs(fires) : demands(fires)
  }
  switch (trigger) {
    case 'all_done':
      return null
    case 'all_success':
    case 'none_failed':
      return demands(failed === 0)
    case 'none_failed_min_one_success':
      if (failed > 0) return UPSTREAM_FAILED
      return skipped === all ? skippedBy('upstream_skipped') : null
    case 'any_success':
    case 'any_success_fast':
      return demands(failed < all)
    case 'any_failed':
    case 'any_failed_fast':
      return needs(failed > 0)
    case 'all_failed':
      return needs(failed === all)
    case 'none_skipped':
      return skipped === 0 ? null : skippedBy('upstream_skipped')
    case 'all_skipped':
      return needs(skipped === all)
  }
}

/** An `orElse` that has a value forgives its x, and the failed nodes that made x fail. */
function forgivenIn(program: Program, states: readonly FinalNodeState[]): Set<number> {
  const forgiven = new Set<number>()
  const forgive = (i: number): void => {
    const item = program[i]
    if (!item || !isFailure(states[i])) return
    forgiven.add(i)
    if (states[i] === 'upstream_failed')
      for (const upstream of upstreamsOf(item, program)) forgive(upstream)
  }
  program.forEach((item, i) => {
    if (states[i] !== 'succeeded') return
    if (item.kind === 'join') forgive(item.x)
    if (item.kind === 'group') for (const end of item.items) forgive(end)
  })
  return forgiven
}
