import { DefinitionError } from '../core/errors.ts'
import type { Failure } from '../core/failure.ts'
import { quote } from '../strategies/option-schemas.ts'
import { currentBuild } from './build.ts'
import { guardPlan } from './guard-plan.ts'
import type { Ref, RefOf, Settled } from './ref-types.ts'
import { createRef } from './refs.ts'
import { addVirtualNode, nodePoint } from './virtual-nodes.ts'

/**
 * How a node ended, as a value: `{ status: 'succeeded', value }`, or another status and `error`. What waits for it
 * runs also if the node failed. The failure still counts: the run fails.
 *
 * @example
 * report({ outcome: settled(ping({ url })) })
 * @throws DefinitionError outside of a build function, or if `ref` is not the value (or a part of the value) of a node
 */
export function settled<T>(ref: RefOf<T>): Ref<Settled<T>> {
  const build = currentBuild(() => outside('settled(ref)'))
  const { index, key } = addVirtualNode(build, 'settled', [nodePoint(ref, 'settled(ref)', build)])
  return createRef(build, { ref: index, path: [] }, key)
}

/**
 * Plan B: the value of `primary`, or, if that node failed, what `plan` gives. The tasks that `plan` calls start only
 * after the failure, however they are wired. If they give a value, the failure is forgiven.
 *
 * @param plan runs once, while the flow is built, with a Ref to the failure
 * @example
 * orElse(ping({ url }), (failure) => cachedCopy({ why: failure.error.message }))
 * @throws DefinitionError outside of a build function, or if one side is not the value (or a part of it) of a node
 */
export function orElse<A, B>(
  primary: RefOf<A>,
  plan: (failure: Ref<Failure>) => RefOf<B>,
): Ref<A | B> {
  const build = currentBuild(() => outside('orElse(ref, plan)'))
  const x = nodePoint(primary, 'orElse(ref, plan): ref', build)
  if (typeof plan !== 'function') {
    throw new DefinitionError(
      `orElse(ref, plan): plan: expected a function that returns a Ref, got ${quote(plan)}`,
    )
  }
  const gate = addVirtualNode(build, 'gate', [x])
  const first = build.nodes.length
  const planned = plan(createRef(build, { ref: gate.index, path: [] }, 'failure'))
  const y = nodePoint(planned, 'orElse(ref, plan): the result of plan', build)
  guardPlan(build, gate.index, first)
  if (y.node === x.node) {
    throw new DefinitionError(
      'orElse(ref, plan): the result of plan: expected the value of another node than ref, which has failed then',
    )
  }
  const { index, key } = addVirtualNode(build, 'join', [x, y])
  return createRef(build, { ref: index, path: [] }, key)
}

/**
 * The first value in the order of the arguments: of the first node that succeeded. It waits for all of them, fails if
 * one failed and none succeeded, and is skipped if all were: the join after a branch. It forgives nothing.
 *
 * @example
 * firstOf(express.with({ if: order.urgent })({ order }), standard.with({ if: not(order.urgent) })({ order }))
 * @throws DefinitionError outside of a build function, for fewer than two Refs, for one that is not the value (or a part
 *   of the value) of a node, or for two of one node
 */
export function firstOf<T extends readonly [RefOf<unknown>, RefOf<unknown>, ...RefOf<unknown>[]]>(
  ...refs: T
): Ref<T[number] extends RefOf<infer Value> ? Value : never> {
  const call = 'firstOf(...refs)'
  const build = currentBuild(() => outside(call))
  if (refs.length < 2) {
    throw new DefinitionError(`${call}: expected two Refs or more, got ${refs.length}`)
  }
  const points = refs.map((ref, i) => nodePoint(ref, `${call}: ${i + 1}`, build))
  if (new Set(points.map(({ node }) => node)).size < points.length) {
    throw new DefinitionError(`${call}: expected Refs to values of different nodes, got one twice`)
  }
  const { index, key } = addVirtualNode(build, 'first', points)
  return createRef(build, { ref: index, path: [] }, key)
}

function outside(call: string): string {
  return `${call} was called outside of a flow's build function. Call it in the function that you pass to flow()`
}
