import fc from 'fast-check'
import type { CompiledGraph } from '../../src/flow/compile.ts'
import { templateOf } from '../../src/flow/instances.ts'
import { isFast, NAMED_TRIGGERS, type Trigger } from '../../src/flow/trigger.ts'
import {
  firstOf,
  gate,
  graphOf,
  groupOf,
  itemEnd,
  join,
  mapOf,
  type NodeSpec,
  node,
  runNode,
  settledOf,
} from './graphs.ts'
import type { Step } from './run-model.ts'

/** A graph, and what happens in a run of it, as far as no worker is lost. */
export interface RandomRun {
  readonly graph: CompiledGraph
  /** How a node's attempts end, one after the other. */
  stepsOf(index: number): readonly Step[]
  /** How many items a map has. */
  itemsOf(index: number): number
}

const MAX_NODES = 30

const steps: fc.Arbitrary<Step[]> = fc
  .tuple(
    fc.array(fc.constantFrom<Step>('retry', 'interrupted'), { maxLength: 3 }),
    fc.constantFrom<Step>('succeed', 'succeed', 'succeed', 'fail', 'fail', 'skip', 'unmet'),
  )
  .map(([first, last]) => [...first, last])

const counting = fc.record({
  kind: fc.constantFrom('at_least', 'at_most'),
  count: fc.constantFrom(0.3, 0.5, 1, 2),
  of: fc.constantFrom('success', 'failed'),
})
const triggers: fc.Arbitrary<Trigger> = fc.oneof(
  { weight: NAMED_TRIGGERS.length, arbitrary: fc.constantFrom(...NAMED_TRIGGERS) },
  { weight: 4, arbitrary: counting },
)

const SHAPES = [
  'join',
  'first',
  'first',
  'first',
  'first',
  'first',
  'settled',
  'settled',
  'orElse',
  'rescued',
  'rescued',
] as const
type Shape = 'root' | 'plain' | 'triggered' | 'map' | (typeof SHAPES)[number]

/** What is drawn for a place of the graph. */
interface Drawn {
  readonly shape: Shape
  readonly trigger: Trigger
  readonly skipOnUpstreamSkip: boolean | null
  readonly upstreams: readonly number[]
  /** Of each item of a map around it, in turn. */
  readonly steps: readonly (readonly Step[])[]
  /** True if its work is a child run. */
  readonly isRun: boolean
  readonly map: DrawnMap | null
}

/** What a map repeats. */
interface DrawnMap {
  readonly body: readonly Drawn[]
  /** Of each item of a map around it, in turn. */
  readonly items: readonly number[]
  /** Of its groups: of which node of the body, and what they tolerate. */
  readonly groups: readonly { readonly of: number; readonly tolerate: number | null }[]
  /** True if the first group is of the end of the item. */
  readonly hasEnd: boolean
}

const upstreams = fc.array(fc.nat(MAX_NODES), { minLength: 1, maxLength: 4 })

/** `tasks`: to one node whose work is a child run. */
function drawnIn(shape: fc.Arbitrary<Shape>, map: fc.Arbitrary<DrawnMap | null>, tasks = 1) {
  return fc.record({
    shape,
    trigger: triggers,
    skipOnUpstreamSkip: fc.constantFrom(null, null, true, false),
    upstreams,
    steps: fc.array(steps, { minLength: 1, maxLength: 3 }),
    isRun: fc.nat(tasks).map((drawn) => drawn === tasks),
    map,
  })
}

function mapOver(body: fc.Arbitrary<Drawn>, maxLength: number): fc.Arbitrary<DrawnMap> {
  return fc.record({
    body: fc.array(body, { minLength: 1, maxLength }),
    items: fc.array(fc.constantFrom(0, 2, 3, 3, 4), { minLength: 1, maxLength: 2 }),
    groups: fc.array(
      fc.record({
        of: fc.nat(MAX_NODES),
        tolerate: fc.constantFrom(null, null, null, 0, 1, 2, 0.3, 0.5),
      }),
      { minLength: 1, maxLength: 2 },
    ),
    hasEnd: fc.constantFrom(true, true, true, true, true, false),
  })
}

const plainShape = fc.oneof(
  { weight: 30, arbitrary: fc.constant<Shape>('triggered') },
  { weight: 4, arbitrary: fc.constant<Shape>('root') },
  { weight: 1, arbitrary: fc.constant<Shape>('plain') },
  { weight: 8, arbitrary: fc.constantFrom<Shape>(...SHAPES) },
)
const withMaps = (weight: number) =>
  fc.oneof({ weight: 37, arbitrary: plainShape }, { weight, arbitrary: fc.constant<Shape>('map') })

const innermost = drawnIn(plainShape, fc.constant(null))
const inBody = drawnIn(withMaps(50), mapOver(innermost, 3))
const drawn: fc.Arbitrary<Drawn> = drawnIn(withMaps(4), mapOver(inBody, 4), 4)

/** Any kind of node with any upstreams, far more than flows can build: the scripts must cope with all. */
export const randomRun: fc.Arbitrary<RandomRun> = runOf(drawn)

/** The same without maps. */
export const plainRandomRun: fc.Arbitrary<RandomRun> = runOf(
  drawnIn(plainShape, fc.constant(null), 5),
)

function runOf(place: fc.Arbitrary<Drawn>): fc.Arbitrary<RandomRun> {
  return fc
    .tuple(
      fc.array(place, { minLength: 1, maxLength: MAX_NODES, size: 'max' }),
      fc.option(fc.array(fc.nat(MAX_NODES), { minLength: 1, maxLength: 5 }), { freq: 4 }),
    )
    .map(([places, decisive]): RandomRun => {
      const made: Made[] = []
      for (const place of places) {
        if (made.length < MAX_NODES) made.push(...nodesOf(place, made, made))
      }
      const outside = made.filter(({ spec }) => spec.map === undefined)
      const keys = decisive?.flatMap((number) => outside[number % outside.length]?.spec.key ?? [])
      const specs = made.map(({ spec }) => spec)
      const run: RandomRun = {
        graph: graphOf(specs, keys && [...new Set(keys)]),
        stepsOf: (index) => inTurn(made[templateOf(index)]?.steps ?? [], index) ?? ['succeed'],
        itemsOf: (index) => inTurn(made[templateOf(index)]?.items ?? [], index) ?? 0,
      }
      return Object.assign(run, { [fc.toStringMethod]: () => describeRun(made) })
    })
}

/** What happens to a node of an item differs from item to item. */
function inTurn<T>(variants: readonly T[], index: number): T | undefined {
  return variants[Math.floor(index / 1_000_000) % Math.max(1, variants.length)]
}

interface Made {
  readonly spec: NodeSpec
  readonly steps: readonly (readonly Step[])[]
  readonly items?: readonly number[]
}

function describeRun(nodes: readonly Made[]): string {
  const lines = nodes.map(({ spec, steps, items }) => {
    const isWork = spec.kind === 'task' || spec.kind === 'run'
    const kind = `${spec.kind}${isWork ? ` ${JSON.stringify(spec.trigger)}` : ''}`
    const skips = isWork ? (spec.skipOnUpstreamSkip ?? '') : ''
    const tolerated = spec.kind === 'group' ? (spec.tolerate ?? '') : (items?.join('/') ?? '')
    return `${spec.key}: ${kind} ${skips}${tolerated} of [${spec.after.join()}]: ${steps.join(' / ')}`
  })
  return `\n${lines.join('\n')}\n`
}

/** `before`: the nodes that it may wait for; `all`: those of the whole graph. */
function nodesOf(place: Drawn, before: readonly Made[], all: readonly Made[], prefix = ''): Made[] {
  const { shape, trigger, steps } = place
  const work = place.isRun ? runNode : node
  const key = `${prefix}n${all.length}`
  // In a body, `before` holds nodes of that body only; what is in a map inside of it is no upstream.
  const candidates = prefix === '' ? before.filter(({ spec }) => !spec.map) : before
  const chosen = place.upstreams.flatMap(
    (number) => candidates[number % Math.max(1, candidates.length)]?.spec.key ?? [],
  )
  const upstreams = [...new Set(chosen)]
  const [x, y] = upstreams
  const just = (spec: NodeSpec): Made[] => [{ spec, steps }]
  if (shape === 'map' && place.map) return mapped(key, place, place.map, upstreams, all)
  if (x === undefined || shape === 'root') return just(work(key))
  if (shape === 'plain') return just(work(key, upstreams))
  if (shape === 'triggered') {
    const skipOnUpstreamSkip = isFast(trigger) ? null : place.skipOnUpstreamSkip
    const skips = skipOnUpstreamSkip === null ? {} : { skipOnUpstreamSkip }
    return just(work(key, upstreams, { trigger: possible(trigger, upstreams.length), ...skips }))
  }
  if (shape === 'settled') return just(settledOf(key, x))
  if (shape === 'join' && y !== undefined) return just(join(key, x, y))
  if (shape === 'first' && y !== undefined) return just(firstOf(key, upstreams))
  return shape === 'rescued' ? rescued(key, work, steps) : planB(key, x, work, steps)
}

/** A map, its body, the end of an item, and groups. */
function mapped(
  key: string,
  { steps }: Drawn,
  map: DrawnMap,
  upstreams: readonly string[],
  all: readonly Made[],
): Made[] {
  const name = `${key}[]`
  const made: Made[] = [{ spec: mapOf(name, upstreams.slice(0, 2)), steps, items: map.items }]
  const body: Made[] = []
  for (const place of map.body) {
    const added = nodesOf(place, body, [...all, ...made], `${key}[*]/`).map((one) => ({
      ...one,
      spec: { map: name, ...one.spec },
    }))
    made.push(...added)
    body.push(...added.filter(({ spec }) => spec.map === name))
  }
  const inside = body.map(({ spec }) => spec.key)
  if (map.hasEnd) {
    inside.push(`${key}[*]/end`)
    const end = { ...itemEnd(`${key}[*]/end`, inside.slice(-4, -1)), map: name }
    made.push({ spec: end, steps: [] })
  }
  for (const [i, { of, tolerate }] of map.groups.entries()) {
    const outcome = inside.at(i === 0 && map.hasEnd ? -1 : of % inside.length) ?? ''
    const group = groupOf(`${key}${i === 0 ? '' : `-${i}`}`, name, outcome, tolerate ?? undefined)
    const results = tolerate === null ? settledOf(`${group.key}-all`, group.key) : group
    const good: NodeSpec = { kind: 'succeeded', key: `${group.key}-good`, after: [results.key] }
    for (const spec of new Set([group, results, ...(of % 2 === 0 ? [good] : [])])) {
      made.push({ spec, steps: [] })
    }
  }
  return made
}

/** x, or else a plan. */
function planB(key: string, x: string, work: typeof node, steps: Made['steps']): Made[] {
  const specs = [gate(key, x), work(`${key}-plan`, [key]), join(`${key}-join`, x, `${key}-plan`)]
  return specs.map((spec) => ({ spec, steps }))
}

/** A failure that makes another node fail, with a plan for the latter. */
function rescued(key: string, work: typeof node, steps: Made['steps']): Made[] {
  return [
    { spec: work(key), steps: [['fail']] },
    { spec: node(`${key}-x`, [key]), steps },
    ...planB(`${key}-gate`, `${key}-x`, work, [['succeed']]),
  ]
}

/** As many upstreams as a trigger asks for must exist: flows refuse others. */
function possible(trigger: Trigger, upstreams: number): Trigger {
  if (typeof trigger === 'string') return trigger
  return { ...trigger, count: Math.min(trigger.count, upstreams) }
}
