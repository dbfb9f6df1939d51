import type { RefOf } from '../../src/flow/ref-types.ts'

/** True if two types are the same, also in their modifiers. */
export type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Compiles only if its type argument is `true`. */
export function assertType<_Claim extends true>(): void {}

/** The type of the value that a Ref stands for. */
export type ValueOf<R> = R extends RefOf<infer T> ? T : never

/** What untyped code gives, such as `JSON.parse`. */
export type Any = ReturnType<typeof JSON.parse>
