import { atLeast, atMost, type Trigger } from '../../../src/index.ts'

/** How the attempts of a task's node end, one after the other, if it runs at all. */
export interface Script {
  /** Attempts that fail before the last one. */
  readonly errors: number
  /** How they fail: by what they throw, by `fail()`, or by a result that `failWhen` refuses. */
  readonly by: 'throw' | 'fail' | 'failWhen'
  /** How the last attempt ends: `exhaust` fails like those before, and no retry is left. */
  readonly last: 'succeed' | 'exhaust' | 'abandon' | 'skip'
  readonly maxRetries: number
}

/** The condition of a node. */
export interface Condition {
  /** The node whose value is compared; null: the run's input. */
  readonly of: number | null
  /** What comes of it, if there is a value. */
  readonly holds: boolean
  readonly form: 'is' | 'not' | 'and' | 'or'
}

/** A node of a program; others are named by their position, and come before it. */
export type Item =
  | {
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
      readonly script: Script
    }
  | { readonly kind: 'settled'; readonly of: number }
  /** The beginning of `orElse(of, plan)`; the plan's nodes follow, up to `end`, the join. */
  | { readonly kind: 'gate'; readonly of: number; end: number }
  | { readonly kind: 'join'; readonly x: number; readonly y: number }
  | { readonly kind: 'first'; readonly of: readonly number[] }

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
  const before = items.flatMap(({ kind }, i) => (kind === 'gate' ? [] : [i]))
  const mayFail = before.filter((i) => items[i]?.kind !== 'settled')
  const kind = mayFail.length === 0 ? 99 : draw(20)
  if (kind >= 17 && kind < 20 && items.length <= MAX_ITEMS - 3 && gates.length < 2) {
    addOrElse(items, pick(mayFail, draw), gates, draw)
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

/** A task with a trigger. Its input may not use a task's value, which need not exist. */
function newTriggered(
  items: readonly Item[],
  before: readonly number[],
  mayFail: readonly number[],
  draw: (choices: number) => number,
): Item {
  const drawn = TRIGGERS[draw(TRIGGERS.length + 3)]
  const isFast = drawn === 'any_success_fast' || drawn === 'any_failed_fast'
  const usable = isFast ? [] : before.filter((i) => items[i]?.kind !== 'task')
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
  const y = items.findLastIndex(({ kind }, i) => i > gate && (kind === 'task' || kind === 'join'))
  if (y < 0) {
    const plain = { trigger: 'all_success', uses: [], after: [], gates: inPlan } as const
    items.push(newTask(items, { ...plain, condition: null }, draw))
  }
  begin.end = items.length
  items.push({ kind: 'join', x, y: y < 0 ? items.length - 1 : y })
}

type TaskItem = Item & { readonly kind: 'task' }

function newTask(
  items: readonly Item[],
  wiring: Pick<TaskItem, 'trigger' | 'uses' | 'after' | 'gates' | 'condition'> &
    Partial<Pick<TaskItem, 'skipOnUpstreamSkip'>>,
  draw: (choices: number) => number,
): Item {
  return {
    kind: 'task',
    key: `n${items.length}`,
    skipOnUpstreamSkip: undefined,
    ...wiring,
    queue: draw(3) === 0 ? 'side' : 'default',
    delayMs: draw(8) === 0 ? 1 + draw(30) : 0,
    script: drawScript(draw),
  }
}

function drawScript(draw: (choices: number) => number): Script {
  const errors = draw(3)
  const by = (['throw', 'throw', 'fail', 'failWhen'] as const)[draw(4)] ?? 'throw'
  const kind = draw(11)
  if (kind < 5) return { errors: 0, by, last: 'succeed', maxRetries: draw(3) }
  if (kind < 7) return { errors: 1 + errors, by, last: 'succeed', maxRetries: 1 + errors + draw(2) }
  if (kind < 9) return { errors, by, last: 'exhaust', maxRetries: errors }
  if (kind < 10) return { errors, by, last: 'skip', maxRetries: errors }
  return { errors, by, last: 'abandon', maxRetries: errors + 1 }
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
