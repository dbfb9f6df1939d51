import { atLeast, atMost, type Trigger } from '../../../src/index.ts'
import { addMap, drawMap } from './program-maps.ts'
import { drawScript, type Script, scriptWithin } from './script.ts'

/** The condition of a node. */
export interface Condition {
  /** The node whose value is compared; null: the run's input. */
  readonly of: number | null
  /** What comes of it, if there is a value. */
  readonly holds: boolean
  readonly form: 'is' | 'not' | 'and' | 'or'
}

/** A node that calls a task. */
export interface TaskItem {
  readonly kind: 'task'
  readonly key: string
  readonly trigger: Trigger
  /** Undefined: the trigger's own answer. */
  readonly skipOnUpstreamSkip: boolean | undefined
  readonly condition: Condition | null
  /** Those whose values its input uses. */
  readonly uses: readonly number[]
  /** Those that it waits for only. */
  readonly after: readonly number[]
  /** The gates of the plans that it is in: outside of them it can't start. */
  readonly gates: readonly number[]
  readonly queue: 'default' | 'side'
  readonly delayMs: number
  /** True if its work is a child run; its attempts end as its children do. */
  readonly isRun: boolean
  readonly script: Script
  /** The map to whose items it belongs; what these wait for from outside, the map waits for. */
  readonly inside?: number
}

/** What a map repeats: a task, a flow of two nodes, or such a flow with a map of tasks between them. */
export type MapForm = 'task' | 'flow' | 'nested'

/** The beginning of a map; the nodes of its items follow, item by item, and then its groups, up to `end`. */
export interface MapItem {
  readonly kind: 'map'
  readonly key: string
  readonly uses: readonly number[]
  readonly gates: readonly number[]
  readonly count: number
  readonly form: MapForm
  /** With two, a second map, of a task, goes over the first one's group, element by element. */
  readonly stages: 1 | 2
  readonly tolerate: number | null
  readonly maxRetries: number
  /** Which node of the flow that it repeats starts child runs. */
  readonly run: 'a' | 'b' | null
  /** The map in each of its items. */
  readonly inner: MapItem | null
  readonly inside?: number
  end: number
}

/** The results of a map. */
export interface GroupItem {
  readonly kind: 'group'
  readonly map: number
  /** The nodes whose ends are those of the items. */
  readonly items: readonly number[]
  readonly tolerate: number | null
  readonly inside?: number
}

/** Other nodes. */
type Mark =
  | { readonly kind: 'settled'; readonly of: number }
  /** The beginning of `orElse(of, plan)`; the plan's nodes follow, up to `end`, the join. */
  | { readonly kind: 'gate'; readonly of: number; end: number }
  | { readonly kind: 'join'; readonly x: number; readonly y: number }
  | { readonly kind: 'first'; readonly of: readonly number[] }
  /** The end of an item of a mapped flow: it waits for all that no other node of the flow waits for. */
  | { readonly kind: 'item'; readonly of: readonly number[]; readonly inside: number }

/** A node of a program; others are named by their position, and come before it. */
export type Item = TaskItem | MapItem | GroupItem | Mark

export type Program = readonly Item[]

const MAX_ITEMS = 30

const TRIGGERS: readonly Trigger[] = [
  'all_failed',
  'all_done',
  'any_success',
  'any_failed',
  'any_success_fast',
  'any_failed_fast',
  'none_failed',
  'none_failed_min_one_success',
  'none_skipped',
  'all_skipped',
  'all_success',
]

/** Draws a program of one to thirty nodes. */
export function drawProgram(draw: (choices: number) => number): Program {
  const items: Item[] = []
  const size = 1 + draw(MAX_ITEMS)
  while (items.length < size) addItem(items, [], draw)
  return items
}

function addItem(items: Item[], gates: readonly number[], draw: (choices: number) => number): void {
  const before = items.flatMap((item, i) => (isUsable(item) ? [i] : []))
  const mayFail = before.filter((i) => items[i]?.kind !== 'settled')
  const kind = mayFail.length === 0 ? 99 : draw(22)
  if (kind >= 17 && kind < 20 && items.length <= MAX_ITEMS - 3 && gates.length < 2) {
    addOrElse(items, pick(mayFail, draw), gates, draw)
  } else if (kind >= 20 && kind < 22 && items.length <= MAX_ITEMS - 3) {
    addMap(items, drawMap(`n${items.length}`, { uses: some(before, 2, draw), gates }, draw), draw)
  } else if (kind >= 15 && kind < 17) {
    items.push({ kind: 'settled', of: pick(mayFail, draw) })
  } else if (kind >= 13 && kind < 15 && before.length > 1) {
    const [a, b] = [pick(before, draw), pick(before, draw)]
    const of = a === b ? before.slice(-2) : [a, b]
    items.push({ kind: 'first', of })
  } else if (kind < 8 && gates.length === 0) {
    items.push(newTriggered(items, before, mayFail, draw))
  } else {
    const uses = some(before, 3, draw)
    const after = draw(4) === 0 ? some(before, 2, draw) : []
    const tasks = before.filter((i) => items[i]?.kind === 'task')
    const condition = drawCondition(draw(2) === 0 ? tasks : [], draw)
    items.push(newTask(items, { trigger: 'all_success', uses, after, gates, condition }, draw))
  }
}

/** Other nodes may wait for it: it is no gate, and not inside of a map. */
function isUsable(item: Item): boolean {
  if (item.kind === 'gate' || item.kind === 'map') return false
  return !('inside' in item) || item.inside === undefined
}

/** A task with a trigger. Its input may not use a task's value, which need not exist. */
function newTriggered(
  items: readonly Item[],
  before: readonly number[],
  mayFail: readonly number[],
  draw: (choices: number) => number,
): Item {
  const drawn = TRIGGERS[draw(TRIGGERS.length + 3)]
  const isFast = drawn === 'any_success_fast' || drawn === 'any_failed_fast'
  const valueless = ['task', 'group']
  const usable = isFast ? [] : before.filter((i) => !valueless.includes(items[i]?.kind ?? ''))
  const uses = draw(3) === 0 ? some(usable, 1, draw) : []
  const after = [...new Set([pick(mayFail, draw), ...some(before, 2, draw)])]
  const trigger =
    drawn ?? (draw(2) === 0 ? atLeast : atMost)(1, draw(2) === 0 ? 'success' : 'failed')
  const mayPropagate = !isFast && trigger !== 'all_skipped'
  const skipOnUpstreamSkip =
    trigger === 'all_success' ? false : mayPropagate && draw(3) === 0 ? true : undefined
  const condition = drawCondition([], draw)
  return newTask(items, { trigger, skipOnUpstreamSkip, uses, after, gates: [], condition }, draw)
}

function drawCondition(
  sources: readonly number[],
  draw: (choices: number) => number,
): Condition | null {
  if (draw(5) > 0) return null
  const forms = ['is', 'not', 'and', 'or'] as const
  const of = sources.length === 0 ? null : pick(sources, draw)
  return { of, holds: draw(2) === 0, form: forms[draw(forms.length)] ?? 'is' }
}

function addOrElse(
  items: Item[],
  x: number,
  gates: readonly number[],
  draw: (choices: number) => number,
): void {
  const gate = items.length
  const begin: Item = { kind: 'gate', of: x, end: 0 }
  items.push(begin)
  const inPlan = [...gates, gate]
  const planned = 1 + draw(2)
  for (let i = 0; i < planned && items.length < MAX_ITEMS - 2; i++) addItem(items, inPlan, draw)
  const y = items.findLastIndex(
    (item, i) => i > gate && isUsable(item) && (item.kind === 'task' || item.kind === 'join'),
  )
  if (y < 0) {
    const plain = { trigger: 'all_success', uses: [], after: [], gates: inPlan } as const
    items.push(newTask(items, { ...plain, condition: null }, draw))
  }
  begin.end = items.length
  items.push({ kind: 'join', x, y: y < 0 ? items.length - 1 : y })
}

function newTask(
  items: readonly Item[],
  wiring: Pick<TaskItem, 'trigger' | 'uses' | 'after' | 'gates' | 'condition'> &
    Partial<Pick<TaskItem, 'skipOnUpstreamSkip'>>,
  draw: (choices: number) => number,
): TaskItem {
  const isRun = draw(6) === 0
  return {
    kind: 'task',
    key: `n${items.length}`,
    skipOnUpstreamSkip: undefined,
    ...wiring,
    queue: draw(3) === 0 ? 'side' : 'default',
    delayMs: draw(8) === 0 ? 1 + draw(30) : 0,
    isRun,
    script: isRun ? scriptWithin(draw(3), ['succeed', 'exhaust'], draw) : drawScript(draw),
  }
}

/** Up to `most` of them, mostly the newest, so that long chains come about. */
function some(from: readonly number[], most: number, draw: (choices: number) => number): number[] {
  const chosen = new Set<number>()
  for (let i = draw(most + 1); i > 0 && from.length > 0; i--) chosen.add(pick(from, draw))
  return [...chosen]
}

function pick(from: readonly number[], draw: (choices: number) => number): number {
  const newest = draw(2) === 0 ? from.slice(-2) : from
  return newest[draw(newest.length)] ?? 0
}

/** A program for people: what a failed test shows. */
export function describeProgram(program: Program): string {
  return program.map((item, i) => `${i}: ${JSON.stringify(item)}`).join('\n')
}
