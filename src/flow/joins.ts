import { DefinitionError } from '../core/errors.ts'
import type { Failure } from '../core/failure.ts'
import { quote } from '../strategies/option-schemas.ts'
import { currentBuild, runInFrame } from './build.ts'
import { guardPlan } from './guard-plan.ts'
import type { GroupOf, Ref, RefOf, Settled } from './ref-types.ts'
import { createRef, refTarget } from './refs.ts'
import { isSettledList } from './settled-list.ts'
import { addVirtualNode, nodePoint } from './virtual-nodes.ts'

/**
 * How a node ended, as a value: `{ status: 'succeeded', value }`, or another status and `error`. What waits for it
 * runs also if the node failed. The failure still counts: the run fails. Of a map's results it is a list: how each item
 * ended.
 *
 * @example
 * report({ outcome: settled(ping({ url })) })
 * @throws DefinitionError outside of a build function, or if `ref` is not the value (or a part of the value) of a node
 */
export function settled<O>(group: GroupOf<O>): Ref<Settled<O>[]>
export function settled<T>(ref: RefOf<T>): Ref<Settled<T>>
export function settled(ref: unknown): Ref<unknown> {
  const call = 'settled(ref)'
  const build = currentBuild(() => outside(call))
  const point = nodePoint(ref, call, build)
  const node = build.nodes[point.node]
  if (node?.kind === 'group' && (point.path.length > 0 || !refTarget(ref)?.isGroup)) {
    throw new DefinitionError(
      `${call}: expected what map() returned, as it is, got another Ref to the results of ${node.key}, or to a part of them. Call settled() where map() is called, and take a part of its result`,
    )
  }
  const { index, key } = addVirtualNode(build, 'settled', [point])
  return createRef(build, { ref: index, path: [] }, key)
}

/**
 * The values of the items that succeeded, in their order: without those that failed or were skipped.
 *
 * @param ref the results of a map with `tolerate`, or `settled` of the results of any map
 * @example
 * merge({ pages: succeeded(fetchPage.map(input.urls, (url) => ({ url }), { tolerate: 0.1 })) })
 * @throws DefinitionError outside of a build function, or for another Ref
 */
export function succeeded<O>(ref: RefOf<readonly Settled<O>[]>): Ref<O[]> {
  const call = 'succeeded(ref)'
  const build = currentBuild(() => outside(call))
  const point = nodePoint(ref, call, build)
  if (point.path.length > 0 || !isSettledList(build.nodes, point.node)) {
    throw new DefinitionError(
      `${call}: expected the results of a map with the option tolerate, or settled(results), as they are, got Ref<${refTarget(ref)?.label}>`,
    )
  }
  const { index, key } = addVirtualNode(build, 'succeeded', [point])
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
  const planned = runInFrame(build, { ...build.frame, plan: gate.index }, () =>
    plan(createRef(build, { ref: gate.index, path: [] }, 'failure')),
  )
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
