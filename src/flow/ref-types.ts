import type { Failure } from '../core/failure.ts'
import type { FinalNodeState } from '../core/states.ts'
import type { IsAny, Scalar } from './jsonify.ts'

declare const VALUE: unique symbol
declare const OUTPUT: unique symbol

/** The part of a Ref that carries its type. Functions that take any Ref of a `T` take a `RefOf<T>`. */
export interface RefOf<out T> {
  /** Exists for the compiler only. */
  readonly [VALUE]: T
}

/**
 * Stands for a value that will exist when the flow runs: a node's output, the run's input, or a part of one. Reading
 * a property gives a Ref to that property; an element of an array is `at(ref, index)`. A Ref can be passed to tasks,
 * flows and joins, and nothing else: its value can't be looked at while the flow is built. Misuse throws a
 * `DefinitionError`, but for `if (ref)`, `ref && x` and `ref ?? x`, which JavaScript lets nobody notice: a Ref is always
 * truthy.
 */
export type Ref<T> = RefOf<T> & {
  readonly [Key in PropertyKeys<T>]: Ref<PropertyOf<T, Key>>
}

/** The part of a group's Ref that carries the type of what an item gives if it succeeds. */
export interface GroupOf<out O> {
  /** Exists for the compiler only. */
  readonly [OUTPUT]: O
}

/** A Ref to the results of a map: the outputs of its items, or, with `tolerate`, how each of them ended. */
export type Group<O, Result = O> = Ref<Result[]> & GroupOf<O>

/** The properties of every object in the union `T`. */
type PropertyKeys<T> =
  IsAny<T> extends true
    ? never
    : T extends Scalar | readonly unknown[]
      ? never
      : T extends object
        ? keyof T & string
        : never

/** The property's type; `undefined` for the members of the union that lack it. */
type PropertyOf<T, Key> = T extends Scalar | readonly unknown[]
  ? undefined
  : Key extends keyof T
    ? T[Key]
    : undefined

/** What `at(ref, key)` accepts for a `Ref<T>`: an index of an array, a position of a tuple, or a property's name. */
export type KeyAt<T> = unknown extends T
  ? string | number
  : T extends readonly unknown[]
    ? number extends T['length']
      ? number
      : TuplePosition<T>
    : T extends object
      ? keyof T & (string | number)
      : never

type TuplePosition<T extends readonly unknown[]> = keyof T extends infer Key
  ? Key extends `${infer Position extends number}`
    ? Position
    : never
  : never

/** What `at(ref, key)` refers to. */
export type ValueAt<T, Key> = unknown extends T
  ? unknown
  : T extends readonly unknown[]
    ? Key extends number
      ? T[Key]
      : undefined
    : T extends object
      ? Key extends keyof T
        ? T[Key]
        : undefined
      : undefined

/** An argument: a `T`, a Ref to one, or an object or array with Refs in the place of some of its parts. */
export type Arg<T> =
  IsAny<T> extends true
    ? unknown
    :
        | T
        | RefOf<T>
        | (T extends Scalar
            ? never
            : T extends readonly unknown[]
              ? ArgArray<T>
              : T extends object
                ? { [Key in keyof T]: Arg<T[Key]> }
                : never)

type ArgArray<T extends readonly unknown[]> = number extends T['length']
  ? readonly Arg<T[number]>[]
  : { [Key in keyof T]: Arg<T[Key]> }

/** The value of what a build function returned: every Ref in it replaced by its value. */
export type Out<T> =
  IsAny<T> extends true
    ? unknown
    : T extends RefOf<infer Value>
      ? Value
      : T extends Scalar
        ? T
        : T extends PromiseLike<unknown>
          ? never
          : T extends readonly unknown[]
            ? { [Key in keyof T]: Out<T[Key]> }
            : T extends object
              ? { [Key in keyof T]: Out<T[Key]> }
              : unknown extends T
                ? unknown
                : never

/** A flow's output: that of its build function's result, or `null` if it returns nothing. */
export type FlowOutput<T> = [T] extends [Nothing] ? null : Out<T>

type Nothing = ReturnType<() => void>

/** How a node ended, as data: what `settled(ref)` stands for. `error` is null where nothing threw (a skip, a cancel). */
export type Settled<T> =
  | { readonly status: 'succeeded'; readonly value: T }
  | {
      readonly status: Exclude<FinalNodeState, 'succeeded'>
      readonly error: Failure | null
    }
