import type { SkipReason } from '../../src/coordinator/run-snapshot.ts'
import type { FinalNodeState } from '../../src/core/states.ts'
import type { CompiledGraph } from '../../src/flow/compile.ts'
import type { GraphNode, WorkNode } from '../../src/flow/graph.ts'

/** What happens to a node's attempts, one after the other; the last is final unless a crash loop comes first. */
export type Step =
  | 'crash'
  | 'retry'
  | 'interrupted'
  | 'succeed'
  | 'fail'
  /** The handler throws `Skip`. */
  | 'skip'
  /** Its condition is not true: the handler isn't called. */
  | 'unmet'

/** How a node should end, by section 4 of the design. */
export interface ExpectedNode {
  readonly state: FinalNodeState
  readonly attempts: number
  readonly forgiven: boolean
  readonly causedBy: string | null
  readonly causes: readonly string[]
  readonly skipReason: SkipReason | null
}

export interface ExpectedRun {
  readonly state: 'succeeded' | 'failed'
  readonly nodes: readonly ExpectedNode[]
}

/** What becomes of a node that doesn't run. */
type Verdict =
  | 'runs'
  | 'succeeded'
  | 'upstream_failed'
  | Exclude<SkipReason, 'condition' | 'thrown'>

interface Ended {
  readonly state: FinalNodeState
  readonly attempts: number
  readonly skipReason: SkipReason | null
  /** The failed nodes that made this one upstream_failed, as its upstreams name them. */
  readonly causes: readonly Place[]
}

/** A node of a run: of the graph, or of an item of a map. */
export interface Place {
  readonly index: number
  readonly key: string
  /** The node of the graph. */
  readonly template: number
  /** Which item, of each map around it, outermost first. */
  readonly positions: readonly number[]
}

/**
 * How a run of the graph ends if each node that starts goes through its steps. Upstreams come before their dependants,
 * so one pass in the order of the graph says it all.
 *
 * @param places the nodes that the run had, in the order of the graph; a map is followed by those of its items
 */
export function expectedRun(
  { graph }: CompiledGraph,
  places: readonly Place[],
  stepsOf: (index: number) => readonly Step[],
  maxCrashes: number,
): ExpectedRun {
  const run = new ModelRun(graph.nodes, places)
  for (const place of places) {
    const node = run.nodeAt(place)
    const verdict = verdictOn(node, run.upstreamStates(place))
    run.ended.set(
      place,
      verdict === 'runs'
        ? runAttempts(stepsOf(place.index), maxCrashes)
        : run.endWith(verdict, place),
    )
  }
  const forgiven = run.forgiven()
  const nodes = places.map((place): ExpectedNode => {
    const { state, attempts, skipReason, causes } = run.endOf(place)
    const keys = causes.map(({ key }) => key)
    const causedBy = keys[0] ?? null
    return {
      ...{ state, attempts, skipReason },
      ...{ causedBy, causes: keys, forgiven: forgiven.has(place) },
    }
  })
  const decisive = graph.succeedsWhen
  const isGreen = places.every((place, i) => {
    if (decisive && !decisive.includes(place.index)) return true
    return nodes[i]?.forgiven || !hasFailed(nodes[i]?.state)
  })
  return { state: isGreen ? 'succeeded' : 'failed', nodes }
}

/** All nodes that wait, directly or not, for one of these. A group whose map failed waits for the map only. */
export function descendantsOf(
  { graph }: CompiledGraph,
  places: readonly Place[],
  indices: readonly number[],
  hasSucceeded: (index: number) => boolean,
): Place[] {
  const run = new ModelRun(graph.nodes, places)
  const found = new Set<Place>()
  for (const place of places) {
    const upstreams = run.upstreams(place)
    const [map] = upstreams
    const isLost = run.nodeAt(place).kind === 'group' && map && !hasSucceeded(map.index)
    if ((isLost ? [map] : upstreams).some((up) => found.has(up) || indices.includes(up.index))) {
      found.add(place)
    }
  }
  return [...found]
}

/** The nodes whose value a join or a group has made up for, if it succeeded. */
export function forgivable(
  { graph }: CompiledGraph,
  places: readonly Place[],
  place: Place,
): Place[] {
  const run = new ModelRun(graph.nodes, places)
  const { kind } = run.nodeAt(place)
  const upstreams = run.upstreams(place)
  if (kind === 'join') return upstreams.slice(0, 1)
  return kind === 'group' ? upstreams.slice(1) : []
}

/** The nodes of a run, and how those ended that have ended. */
class ModelRun {
  readonly ended = new Map<Place, Ended>()
  readonly #nodes: readonly GraphNode[]
  readonly #places: readonly Place[]
  readonly #byName: ReadonlyMap<string, Place>

  constructor(nodes: readonly GraphNode[], places: readonly Place[]) {
    this.#nodes = nodes
    this.#places = places
    this.#byName = new Map(places.map((place) => [nameOf(place.template, place.positions), place]))
  }

  nodeAt({ template }: Place): GraphNode {
    const node = this.#nodes[template]
    if (!node) throw new Error(`no node ${template}`)
    return node
  }

  endOf(place: Place): Ended {
    const ended = this.ended.get(place)
    if (!ended) throw new Error(`${place.key} has not ended`)
    return ended
  }

  /** What a node waits for: in its own instance; a group for its map, and for one node of every item. */
  upstreams(place: Place): Place[] {
    const node = this.nodeAt(place)
    const inInstance = (template: number) =>
      this.#byName.get(nameOf(template, place.positions)) ?? []
    if (node.kind !== 'group') return node.upstreams.flatMap(inInstance)
    const [map, outcome] = node.upstreams
    const depth = place.positions.length
    const items = this.#places.filter(
      ({ template, positions }) =>
        template === outcome &&
        place.positions.every((position, i) => position === positions[i]) &&
        positions.length === depth + 1,
    )
    return [...[inInstance(map)].flat(), ...items]
  }

  upstreamStates(place: Place): FinalNodeState[] {
    return this.upstreams(place).map((upstream) => this.endOf(upstream).state)
  }

  endWith(verdict: Exclude<Verdict, 'runs'>, place: Place): Ended {
    const nothing = { attempts: 0, skipReason: null, causes: [] }
    if (verdict === 'succeeded') return { ...nothing, state: verdict }
    if (verdict !== 'upstream_failed') return { ...nothing, state: 'skipped', skipReason: verdict }
    const causes = this.upstreams(place).flatMap((up) => {
      const { state, causes } = this.endOf(up)
      return state === 'failed' ? [up] : causes
    })
    return { ...nothing, state: verdict, causes: [...new Set(causes)] }
  }

  /**
   * A join that succeeded forgives its first upstream, a group that did the items that failed, and, as long as those
   * failed by others, all that made them fail.
   */
  forgiven(): Set<Place> {
    const forgiven = new Set<Place>()
    const forgive = (place: Place): void => {
      const { state } = this.endOf(place)
      if (!hasFailed(state)) return
      forgiven.add(place)
      if (state === 'upstream_failed') for (const up of this.upstreams(place)) forgive(up)
    }
    for (const place of this.#places) {
      const { kind } = this.nodeAt(place)
      if (this.endOf(place).state !== 'succeeded') continue
      const upstreams = this.upstreams(place)
      if (kind === 'join') for (const first of upstreams.slice(0, 1)) forgive(first)
      if (kind === 'group') for (const item of upstreams.slice(1)) forgive(item)
    }
    return forgiven
  }
}

function nameOf(template: number, positions: readonly number[]): string {
  return `${template}@${positions.join('.')}`
}

function hasFailed(state: FinalNodeState | undefined): boolean {
  return state === 'failed' || state === 'upstream_failed'
}

function verdictOn(node: GraphNode, states: readonly FinalNodeState[]): Verdict {
  const someFailed = states.some(hasFailed)
  switch (node.kind) {
    case 'run':
    case 'task': {
      const verdict = states.length === 0 ? 'runs' : triggerVerdict(node, states)
      const propagates = node.skipOnUpstreamSkip ?? node.trigger === 'all_success'
      const isStopped = verdict === 'runs' && propagates && states.includes('skipped')
      return isStopped ? 'upstream_skipped' : verdict
    }
    case 'map':
      if (someFailed) return 'upstream_failed'
      return states.includes('skipped') ? 'upstream_skipped' : 'runs'
    case 'gate':
      return someFailed ? 'succeeded' : 'not_needed'
    case 'settled':
      return 'succeeded'
    case 'succeeded':
      if (someFailed) return 'upstream_failed'
      return states.includes('skipped') ? 'upstream_skipped' : 'succeeded'
    case 'join':
    case 'first':
    case 'item':
      if (node.kind === 'item' && someFailed) return 'upstream_failed'
      if (states.includes('succeeded')) return 'succeeded'
      return someFailed ? 'upstream_failed' : 'upstream_skipped'
    case 'group':
      return groupVerdict(node.tolerate ?? 0, states)
  }
}

function groupVerdict(tolerate: number, [map, ...items]: readonly FinalNodeState[]): Verdict {
  if (map === 'skipped') return 'upstream_skipped'
  if (map !== 'succeeded') return 'upstream_failed'
  const tolerated = tolerate > 0 && tolerate < 1 ? tolerate * items.length : tolerate
  return items.filter(hasFailed).length <= tolerated ? 'succeeded' : 'upstream_failed'
}

/** What docs/flows.md says of each trigger, on its own: whether the node may run, before skips are propagated. */
function triggerVerdict(
  { trigger }: WorkNode,
  states: readonly (FinalNodeState | undefined)[],
): Verdict {
  const failed = states.filter(hasFailed)
  // A skip that doesn't propagate is as good as a success.
  const fine = states.filter((state) => !hasFailed(state))
  const orFail = (fires: boolean) => (fires ? 'runs' : 'upstream_failed')
  const orNot = (fires: boolean) => (fires ? 'runs' : 'not_needed')
  switch (trigger) {
    case 'all_success':
    case 'none_failed':
      return orFail(fine.length === states.length)
    case 'any_success':
    case 'any_success_fast':
      return orFail(fine.length > 0)
    case 'none_failed_min_one_success':
      if (failed.length > 0) return 'upstream_failed'
      return states.includes('succeeded') ? 'runs' : 'upstream_skipped'
    case 'all_failed':
      return orNot(states.every(hasFailed))
    case 'any_failed':
    case 'any_failed_fast':
      return orNot(failed.length > 0)
    case 'all_done':
      return 'runs'
    case 'none_skipped':
      return states.includes('skipped') ? 'upstream_skipped' : 'runs'
    case 'all_skipped':
      return orNot(states.every((state) => state === 'skipped'))
    default: {
      const counted = trigger.of === 'failed' ? failed.length : fine.length
      const isFraction = trigger.count > 0 && trigger.count < 1
      const wanted = isFraction ? trigger.count * states.length : trigger.count
      const fires = trigger.kind === 'at_least' ? counted >= wanted : counted <= wanted
      const waitsForFailure = (trigger.kind === 'at_least') === (trigger.of === 'failed')
      return waitsForFailure ? orNot(fires) : orFail(fires)
    }
  }
}

function runAttempts(steps: readonly Step[], maxCrashes: number): Ended {
  let crashes = 0
  const ended = (
    state: FinalNodeState,
    attempts: number,
    skipReason: SkipReason | null = null,
  ) => ({
    state,
    attempts,
    skipReason,
    causes: [],
  })
  for (const [i, step] of steps.entries()) {
    if (step === 'succeed') return ended('succeeded', i + 1)
    if (step === 'skip') return ended('skipped', i + 1, 'thrown')
    if (step === 'unmet') return ended('skipped', i, 'condition')
    if (step === 'crash') crashes++
    if (step === 'fail' || crashes > maxCrashes) return ended('failed', i + 1)
  }
  throw new Error(`steps without an end: ${steps.join()}`)
}
