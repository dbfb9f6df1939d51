import fc from 'fast-check'
import type { CompiledGraph } from '../../src/flow/compile.ts'
import { isFast, NAMED_TRIGGERS, type Trigger } from '../../src/flow/trigger.ts'
import { firstOf, gate, graphOf, join, type NodeSpec, node, settledOf } from './graphs.ts'
import type { Step } from './run-model.ts'

/** A graph, and for each node how its attempts end, one after the other, as far as no worker is lost. */
export interface RandomRun {
  readonly graph: CompiledGraph
  readonly steps: readonly (readonly Step[])[]
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

type Shape = 'root' | 'plain' | 'triggered' | 'join' | 'first' | 'settled' | 'orElse' | 'rescued'

/** What is drawn for a place of the graph. */
interface Drawn {
  readonly shape: Shape
  readonly trigger: Trigger
  readonly skipOnUpstreamSkip: boolean | null
  readonly upstreams: readonly number[]
  readonly steps: readonly Step[]
}

const drawn: fc.Arbitrary<Drawn> = fc.record({
  shape: fc.oneof(
    { weight: 24, arbitrary: fc.constant<Shape>('triggered') },
    { weight: 4, arbitrary: fc.constant<Shape>('root') },
    { weight: 1, arbitrary: fc.constant<Shape>('plain') },
    {
      weight: 8,
      arbitrary: fc.constantFrom<Shape>(
        ...([
          'join',
          'first',
          'first',
          'settled',
          'settled',
          'orElse',
          'rescued',
          'rescued',
        ] as const),
      ),
    },
  ),
  trigger: triggers,
  skipOnUpstreamSkip: fc.constantFrom(null, null, true, false),
  upstreams: fc.array(fc.nat(MAX_NODES), { minLength: 1, maxLength: 4 }),
  steps,
})

/** Any kind of node with any upstreams, far more than flows can build: the scripts must cope with all. */
export const randomRun: fc.Arbitrary<RandomRun> = fc
  .tuple(
    fc.array(drawn, { minLength: 1, maxLength: MAX_NODES, size: 'max' }),
    fc.option(fc.array(fc.nat(MAX_NODES), { minLength: 1, maxLength: 5 }), { freq: 4 }),
  )
  .map(([places, decisive]): RandomRun => {
    const made: Made[] = []
    for (const place of places) made.push(...nodesOf(place, made))
    const kept = made.slice(0, MAX_NODES)
    const keys = decisive?.flatMap((number) => kept[number % kept.length]?.spec.key ?? [])
    const specs = kept.map(({ spec }) => spec)
    const run = {
      graph: graphOf(specs, keys && [...new Set(keys)]),
      steps: kept.map(({ steps }) => steps),
    }
    return Object.assign(run, { [fc.toStringMethod]: () => describeRun(kept) })
  })

interface Made {
  readonly spec: NodeSpec
  readonly steps: readonly Step[]
}

function describeRun(nodes: readonly Made[]): string {
  const lines = nodes.map(({ spec, steps }) => {
    const kind = spec.kind === 'task' ? JSON.stringify(spec.trigger) : spec.kind
    const skips = spec.kind === 'task' ? (spec.skipOnUpstreamSkip ?? '') : ''
    return `${spec.key}: ${kind} ${skips} of [${spec.after.join()}]: ${steps.join()}`
  })
  return `\n${lines.join('\n')}\n`
}

function nodesOf(place: Drawn, before: readonly Made[]): Made[] {
  const { shape, trigger, steps } = place
  const key = `n${before.length}`
  const chosen = place.upstreams.flatMap(
    (number) => before[number % Math.max(1, before.length)]?.spec.key ?? [],
  )
  const upstreams = [...new Set(chosen)]
  const [x, y] = upstreams
  const just = (spec: NodeSpec): Made[] => [{ spec, steps }]
  if (x === undefined || shape === 'root') return just(node(key))
  if (shape === 'plain') return just(node(key, upstreams))
  if (shape === 'triggered') {
    const skipOnUpstreamSkip = isFast(trigger) ? null : place.skipOnUpstreamSkip
    const skips = skipOnUpstreamSkip === null ? {} : { skipOnUpstreamSkip }
    return just(node(key, upstreams, { trigger: possible(trigger, upstreams.length), ...skips }))
  }
  if (shape === 'settled') return just(settledOf(key, x))
  if (shape === 'join' && y !== undefined) return just(join(key, x, y))
  if (shape === 'first' && y !== undefined) return just(firstOf(key, upstreams))
  return shape === 'rescued' ? rescued(key, steps) : planB(key, x, steps)
}

/** x, or else a plan. */
function planB(key: string, x: string, steps: readonly Step[]): Made[] {
  const specs = [gate(key, x), node(`${key}-plan`, [key]), join(`${key}-join`, x, `${key}-plan`)]
  return specs.map((spec) => ({ spec, steps }))
}

/** A failure that makes another node fail, with a plan for the latter. */
function rescued(key: string, steps: readonly Step[]): Made[] {
  return [
    { spec: node(key), steps: ['fail'] },
    { spec: node(`${key}-x`, [key]), steps },
    ...planB(`${key}-gate`, `${key}-x`, ['succeed']),
  ]
}

/** As many upstreams as a trigger asks for must exist: flows refuse others. */
function possible(trigger: Trigger, upstreams: number): Trigger {
  if (typeof trigger === 'string') return trigger
  return { ...trigger, count: Math.min(trigger.count, upstreams) }
}
