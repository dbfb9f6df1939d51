import fc from 'fast-check'
import { expect } from 'vitest'
import { z } from 'zod'
import { type Flow, flow } from '../../src/flow/flow.ts'
import { orElse, settled } from '../../src/flow/joins.ts'
import type { Ref } from '../../src/flow/ref-types.ts'
import { refTarget } from '../../src/flow/refs.ts'
import { alert, take } from './tasks.ts'

/** One line of a build function. Numbers choose among the Refs that exist at that point. */
export type Step =
  | {
      readonly do: 'task'
      readonly data: number[]
      readonly after: number[]
      readonly path: boolean
    }
  | { readonly do: 'alert'; readonly after: number[] }
  | { readonly do: 'settled'; readonly of: number; readonly path: boolean }
  | {
      readonly do: 'orElse'
      readonly of: number
      readonly plan: readonly Step[]
      readonly result: number
    }
  | {
      readonly do: 'flow' | 'mapped flow'
      readonly input: number
      readonly steps: readonly Step[]
      readonly result: number
    }
  | { readonly do: 'map'; readonly data: number[]; readonly tolerates: boolean }
  /** A map of the results of a map, which is a task if there are none. */
  | { readonly do: 'next map'; readonly of: number; readonly form: Form }

type Form = 'task' | 'settled' | 'flow'

/** The tasks of a plan: the nodes between its gate and its join. */
export interface PlanRange {
  readonly gate: number
  readonly join: number
}

type Parts = { step: Step; steps: Step[]; mapStep: Step; stepsWithMaps: Step[] }

const choice = fc.nat({ max: 1000 })
const anyForm = fc.constantFrom<Form[]>('task', 'settled', 'flow')
const choices = fc.array(choice, { maxLength: 3 })

const { steps, stepsWithMaps } = fc.letrec<Parts>((tie) => ({
  steps: fc.array(tie('step'), { minLength: 1, maxLength: 4, size: 'max' }),
  stepsWithMaps: fc.array(fc.oneof(tie('step'), tie('mapStep'), tie('mapStep')), {
    minLength: 1,
    maxLength: 5,
    size: 'max',
  }),
  mapStep: fc.oneof(
    { maxDepth: 3 },
    fc.record({ do: fc.constant('map' as const), data: choices, tolerates: fc.boolean() }),
    fc.record({ do: fc.constant('next map' as const), of: choice, form: anyForm }),
    fc.record({
      do: fc.constant('mapped flow' as const),
      input: choice,
      steps: tie('stepsWithMaps'),
      result: choice,
    }),
    fc.record({
      do: fc.constant('orElse' as const),
      of: choice,
      plan: tie('stepsWithMaps'),
      result: choice,
    }),
  ),
  step: fc.oneof(
    { maxDepth: 3 },
    fc.record({
      do: fc.constant('task' as const),
      data: choices,
      after: choices,
      path: fc.boolean(),
    }),
    fc.record({
      do: fc.constant('alert' as const),
      after: fc.array(choice, { minLength: 1, maxLength: 2 }),
    }),
    fc.record({ do: fc.constant('settled' as const), of: choice, path: fc.boolean() }),
    fc.record({
      do: fc.constant('orElse' as const),
      of: choice,
      plan: tie('steps'),
      result: choice,
    }),
    fc.record({
      do: fc.constant('flow' as const),
      input: choice,
      steps: tie('steps'),
      result: choice,
    }),
  ),
}))

export const arbitrarySteps: fc.Arbitrary<Step[]> = steps
export const arbitraryStepsWithMaps: fc.Arbitrary<Step[]> = stepsWithMaps

/** Defines the flow that the steps describe, and tells where its plans are. */
export function buildRandomFlow(description: readonly Step[]): {
  readonly defined: Flow<unknown, unknown>
  readonly plans: readonly PlanRange[]
} {
  const plans: (PlanRange & { readonly build: unknown })[] = []
  const builds: unknown[] = []
  const defined = flow({ name: 'random', input: z.unknown() }, (input) => {
    builds.push(refTarget(input)?.build)
    return runSteps(description, [take({ input }), take(1), take(2)], 0, plans)
  })
  return { defined, plans: plans.filter((plan) => plan.build === builds[0]) }
}

// So that maps inside of maps can be deep.
const FEW = { maxItems: 4 } as const

/** Runs the steps, with `known` as the Refs to nodes so far; returns the Refs that they made as well. */
function runSteps(
  description: readonly Step[],
  known: readonly Ref<unknown>[],
  depth: number,
  plans: (PlanRange & { build: unknown })[],
): Ref<unknown>[] {
  const refs = [...known]
  const pick = (position: number) => pickOf(refs, position)
  for (const step of description) {
    switch (step.do) {
      case 'task': {
        const data = step.data.map((n) => (step.path ? part(pick(n)) : pick(n)))
        refs.push(take.with({ after: step.after.map(pick) })({ data, constant: 1 }))
        break
      }
      case 'alert':
        // In a plan an alert may be refused, which is tested elsewhere.
        if (depth === 0) refs.push(addAlert(step.after.map(pick)))
        break
      case 'settled':
        refs.push(settledOf(step.path ? part(pick(step.of)) : pick(step.of)))
        break
      case 'orElse':
        refs.push(addOrElse(step, refs, depth, plans))
        break
      case 'flow': {
        const inner = flow({ name: 'inner', input: z.unknown() }, (input) => {
          const made = runSteps(step.steps, [take({ input })], depth, plans)
          return pickOf(made, step.result)
        })
        refs.push(inner([pick(step.input), { constant: 1 }]))
        break
      }
      case 'mapped flow': {
        const inner = flow({ name: 'mapped', input: z.unknown() }, (input) => {
          const made = runSteps(step.steps, [take({ input })], depth, plans)
          return pickOf(made, step.result)
        })
        refs.push(inner.map([pick(step.input)], (item, index) => ({ item, index }), FEW))
        break
      }
      case 'map': {
        const data = step.data.map(pick)
        const tolerate = step.tolerates ? 1 : undefined
        refs.push(take.map([pick(0)], (item, index) => [item, index, data], { ...FEW, tolerate }))
        break
      }
      case 'next map':
        refs.push(addNextMap(step, refs))
        break
    }
  }
  return refs
}

function addAlert(after: Ref<unknown>[]): Ref<unknown> {
  // At least one upstream must be able to fail.
  return alert.with({ trigger: 'any_failed', after: [...after, take(1)] })({})
}

/** Of the results of maps, flows that return them give no list of outcomes. */
function settledOf(ref: Ref<unknown>): Ref<unknown> {
  try {
    return settled(ref)
  } catch (error) {
    expect(String(error)).toContain('expected what map() returned, as it is')
    return ref
  }
}

function addNextMap(
  { of, form }: Step & { do: 'next map' },
  refs: readonly Ref<unknown>[],
): Ref<unknown> {
  const groups = refs.filter((ref) => refTarget(ref)?.isGroup)
  if (groups.length === 0) return take(of)
  const group = pickOf(groups, of)
  if (form === 'settled') return take.map<Ref<unknown>>(settled(group), (item) => item)
  if (form === 'task') return take.map(group)
  const inner = flow({ name: 'next', input: z.unknown() }, (input) => [take(input), take(1)])
  return inner.map(group)
}

function addOrElse(
  step: Step & { do: 'orElse' },
  refs: readonly Ref<unknown>[],
  depth: number,
  plans: (PlanRange & { build: unknown })[],
): Ref<unknown> {
  const primary = pickOf(refs, step.of)
  const gates: number[] = []
  const joined = orElse(primary, (failure) => {
    gates.push(nodeOf(failure))
    const result = pickOf(runSteps(step.plan, [...refs, failure], depth + 1, plans), step.result)
    return nodeOf(result) === nodeOf(primary) ? failure : result
  })
  const build = refTarget(joined)?.build
  plans.push({ gate: gates[0] ?? -1, join: nodeOf(joined), build })
  return joined
}

function pickOf(refs: readonly Ref<unknown>[], position: number): Ref<unknown> {
  const ref = refs[position % refs.length]
  if (ref === undefined) throw new Error('there is always a first node')
  return ref
}

function part(ref: Ref<unknown>): Ref<unknown> {
  return Reflect.get(ref, 'part')
}

function nodeOf(ref: Ref<unknown>): number {
  const template = refTarget(ref)?.template
  return template !== undefined && 'ref' in template ? Number(template.ref) : -1
}
