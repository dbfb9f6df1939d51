/** How the attempts of a task's node end, one after the other, if it runs at all. */
export interface Script {
  /** Attempts that fail before the last one. */
  readonly errors: number
  /** How the last attempt ends: `exhaust` fails like those before, and no retry is left. */
  readonly last: 'succeed' | 'exhaust' | 'abandon'
  readonly maxRetries: number
}

/** A node of a program; others are named by their position, and come before it. */
export type Item =
  | {
      readonly kind: 'task'
      readonly key: string
      readonly trigger: 'all_success' | 'any_failed'
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

export type Program = readonly Item[]

const MAX_ITEMS = 12

/** Numbers that are the same for the same seed (mulberry32). */
export function seeded(seed: number): (choices: number) => number {
  let state = seed >>> 0
  return (choices) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % choices
  }
}

/** Draws a program of one to twelve nodes. */
export function drawProgram(draw: (choices: number) => number): Program {
  const items: Item[] = []
  const size = 1 + draw(MAX_ITEMS)
  while (items.length < size) addItem(items, [], draw)
  return items
}

function addItem(items: Item[], gates: readonly number[], draw: (choices: number) => number): void {
  const before = items.flatMap(({ kind }, i) => (kind === 'gate' ? [] : [i]))
  const mayFail = before.filter((i) => items[i]?.kind !== 'settled')
  const kind = mayFail.length === 0 ? 0 : draw(20)
  if (kind >= 17 && items.length <= MAX_ITEMS - 3 && gates.length < 2) {
    addOrElse(items, pick(mayFail, draw), gates, draw)
  } else if (kind >= 14 && kind < 17) {
    items.push({ kind: 'settled', of: pick(mayFail, draw) })
  } else if (kind >= 11 && kind < 14 && gates.length === 0) {
    // Its input may not use a task's value, which need not exist.
    const usable = before.filter((i) => items[i]?.kind !== 'task')
    const uses = draw(3) === 0 ? some(usable, 1, draw) : []
    const after = [...new Set([pick(mayFail, draw), ...some(before, 2, draw)])]
    items.push(newTask(items, 'any_failed', uses, after, gates, draw))
  } else {
    const uses = some(before, 3, draw)
    const after = draw(4) === 0 ? some(before, 2, draw) : []
    items.push(newTask(items, 'all_success', uses, after, gates, draw))
  }
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
  if (y < 0) items.push(newTask(items, 'all_success', [], [], inPlan, draw))
  begin.end = items.length
  items.push({ kind: 'join', x, y: y < 0 ? items.length - 1 : y })
}

function newTask(
  items: readonly Item[],
  trigger: 'all_success' | 'any_failed',
  uses: readonly number[],
  after: readonly number[],
  gates: readonly number[],
  draw: (choices: number) => number,
): Item {
  return {
    kind: 'task',
    key: `n${items.length}`,
    trigger,
    uses,
    after,
    gates,
    queue: draw(3) === 0 ? 'side' : 'default',
    delayMs: draw(8) === 0 ? 1 + draw(30) : 0,
    script: drawScript(draw),
  }
}

function drawScript(draw: (choices: number) => number): Script {
  const errors = draw(3)
  const kind = draw(10)
  if (kind < 5) return { errors: 0, last: 'succeed', maxRetries: draw(3) }
  if (kind < 7) return { errors: 1 + errors, last: 'succeed', maxRetries: 1 + errors + draw(2) }
  if (kind < 9) return { errors, last: 'exhaust', maxRetries: errors }
  return { errors, last: 'abandon', maxRetries: errors + 1 }
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
