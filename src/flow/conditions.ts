import { DefinitionError } from '../core/errors.ts'
import { quote } from '../strategies/option-schemas.ts'
import { type Build, currentBuild } from './build.ts'
import type { Condition, Scalar, Template } from './graph.ts'
import type { Ref, RefOf } from './ref-types.ts'
import { createRef, ownTarget, refTarget } from './refs.ts'

/** What a value of type `T` can be compared with: its scalars. */
export type Literal<T> = unknown extends T ? Scalar : Extract<T, Scalar>

/**
 * True if the value equals the constant. A value that is missing is null.
 *
 * @param literal a string, number, boolean or null
 * @example
 * refund.with({ if: is(check({ order }).verdict, 'fraud') })({ order })
 * @throws DefinitionError outside of a build function, or for anything but a Ref and a constant
 */
export function is<T>(ref: RefOf<T>, literal: Literal<NoInfer<T>>): Ref<boolean> {
  const build = buildOf('is(ref, literal)')
  const part = operand(ref, 'is(ref, literal): ref', build)
  if (!isScalar(literal)) {
    throw new DefinitionError(
      `is(ref, literal): literal: expected a string, a finite number, a boolean or null, got ${quote(literal)}`,
    )
  }
  return condition(build, { is: part, to: literal })
}

/**
 * True unless the condition is.
 *
 * @throws DefinitionError outside of a build function, or for anything but a Ref
 */
export function not(ref: RefOf<boolean>): Ref<boolean> {
  const build = buildOf('not(ref)')
  return condition(build, { not: operand(ref, 'not(ref)', build) })
}

/**
 * True if all conditions are.
 *
 * @throws DefinitionError outside of a build function, without a condition, or for anything but Refs
 */
export function and(...refs: readonly RefOf<boolean>[]): Ref<boolean> {
  const build = buildOf('and(...refs)')
  return condition(build, { and: operands(refs, 'and(...refs)', build) })
}

/**
 * True if one of the conditions is.
 *
 * @throws DefinitionError outside of a build function, without a condition, or for anything but Refs
 */
export function or(...refs: readonly RefOf<boolean>[]): Ref<boolean> {
  const build = buildOf('or(...refs)')
  return condition(build, { or: operands(refs, 'or(...refs)', build) })
}

/** What a condition is made of, after a check that it is a Ref of this build to something that exists when it runs. */
export function operand(ref: unknown, what: string, build: Build): Template {
  const found = refTarget(ref)
  if (found === undefined) {
    throw new DefinitionError(
      `${what}: expected a Ref, got ${quote(ref)}; what is known now needs no condition: use if in the build function`,
    )
  }
  return ownTarget(found, what, build).template ?? { lit: null }
}

function operands(refs: readonly unknown[], what: string, build: Build): Template[] {
  if (refs.length === 0) {
    throw new DefinitionError(`${what}: expected one condition or more, got none`)
  }
  return refs.map((ref, i) => operand(ref, `${what}: ${i + 1}`, build))
}

function condition(build: Build, template: Condition): Ref<boolean> {
  return createRef(build, template, Object.keys(template)[0] ?? '')
}

function buildOf(call: string): Build {
  return currentBuild(
    () =>
      `${call} was called outside of a flow's build function. Call it in the function that you pass to flow()`,
  )
}

function isScalar(value: unknown): value is Scalar {
  return (
    value === null ||
    typeof value === 'string' ||
    typeof value === 'boolean' ||
    Number.isFinite(value)
  )
}
