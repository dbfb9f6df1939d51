import type { Item, MapForm, MapItem, TaskItem } from './program.ts'
import { scriptWithin } from './script.ts'

type Draw = (choices: number) => number

const FORMS: readonly MapForm[] = ['task', 'flow', 'nested']

/** Draws a map of up to three items. */
export function drawMap(
  key: string,
  { uses, gates }: Pick<MapItem, 'uses' | 'gates'>,
  draw: Draw,
): MapItem {
  const form = FORMS[draw(FORMS.length)] ?? 'task'
  const outer = drawRepetition(draw)
  const inner = {
    key: 'm',
    uses: [],
    gates: [],
    form: 'task',
    run: null,
    inner: null,
    end: 0,
  } as const
  return {
    ...{ kind: 'map', key, uses, gates, form, ...outer, end: 0 },
    run: form === 'task' ? null : ((['a', 'b', null] as const)[draw(3)] ?? null),
    inner: form === 'nested' ? { kind: 'map', ...inner, ...drawRepetition(draw) } : null,
  }
}

/** What is tolerated of one stage need not be an item of the next, so only a single stage tolerates failures. */
function drawRepetition(draw: Draw): Pick<MapItem, 'count' | 'stages' | 'tolerate' | 'maxRetries'> {
  const stages = draw(2) === 0 ? 1 : 2
  const tolerate = stages === 2 || draw(2) === 0 ? null : draw(3)
  return { stages, tolerate, count: draw(4), maxRetries: draw(2) }
}

/** Adds a map, the nodes of its items, and its groups. */
export function addMap(items: Item[], map: MapItem, draw: Draw): readonly number[] {
  const at = items.push(map) - 1
  const ends: number[][] = [[], []]
  for (let i = 0; i < map.count; i++) {
    const own = `${map.key}[${i}]`
    const end =
      map.form === 'task'
        ? addTask(items, { key: own, uses: [], map, inside: at }, draw)
        : addFlow(items, { key: own, map, inside: at }, draw)
    ends[0]?.push(end)
    if (map.stages === 1) continue
    const next = { key: `${map.key}-b[${i}]`, uses: [end], map, inside: at }
    ends[1]?.push(addTask(items, next, draw))
  }
  const { tolerate, inside } = map
  const around = inside === undefined ? {} : { inside }
  const groups = ends
    .slice(0, map.stages)
    .map((ended) => items.push({ kind: 'group', map: at, items: ended, tolerate, ...around }) - 1)
  map.end = items.length
  return groups
}

interface Place {
  readonly key: string
  readonly map: MapItem
  readonly inside: number
}

/** The nodes a and b, with a map between them if there is one. Returns the end of the item. */
function addFlow(items: Item[], { key, map, inside }: Place, draw: Draw): number {
  const place = { map, inside }
  const a = addTask(items, { ...place, key: `${key}/a`, uses: [], isRun: map.run === 'a' }, draw)
  const inner = map.inner && { ...map.inner, key: `${key}/m`, uses: [a], inside }
  const groups = inner ? addMap(items, inner, draw) : [a]
  const last = groups.at(-1) ?? a
  const isRun = map.run === 'b'
  const b = addTask(items, { ...place, key: `${key}/b`, uses: [last], isRun }, draw)
  return items.push({ kind: 'item', of: [...groups.slice(0, -1), b], inside }) - 1
}

function addTask(
  items: Item[],
  {
    key,
    uses,
    map,
    inside,
    isRun = false,
  }: Place & { readonly uses: readonly number[]; readonly isRun?: boolean },
  draw: Draw,
): number {
  const ends = [
    'succeed',
    'succeed',
    'succeed',
    'exhaust',
    ...(isRun ? [] : (['skip'] as const)),
  ] as const
  const task: TaskItem = {
    ...{
      kind: 'task',
      key,
      trigger: 'all_success',
      skipOnUpstreamSkip: undefined,
      condition: null,
    },
    ...{ uses, after: [], gates: [], queue: 'default', delayMs: 0, isRun, inside },
    script: scriptWithin(map.maxRetries, ends, draw),
  }
  return items.push(task) - 1
}
