/** True for `any` alone. */
export type IsAny<T> = 0 extends 1 & T ? true : false

/** The values that hold no others, and `undefined`, which JSON leaves out. */
export type Scalar = string | number | boolean | null | undefined

type AnyFunction = (...args: never[]) => unknown

type NotJson =
  | bigint
  | symbol
  | AnyFunction
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | PromiseLike<unknown>

type EveryJson = string | number | boolean | null | EveryJson[] | { [key: string]: EveryJson }
type SomeJson = Scalar | readonly SomeJson[] | { readonly [key: string]: SomeJson }

/** The type that holds all of JSON, such as the output of `z.json()`: it stays as it is, which also ends the recursion. */
type IsEveryJson<T> = [EveryJson, T] extends [T, SomeJson] ? true : false

/**
 * What a value is after it was written as JSON and read again: a `Date` becomes a string, functions and symbols are
 * dropped from objects, what JSON can't carry at all (BigInt, Map, Set, Promise) becomes `never`, and `any` becomes
 * `unknown`.
 *
 * @example
 * type A = Jsonify<{ at: Date; log(): void; data: any }> // { at: string; data: unknown }
 */
export type Jsonify<T> =
  IsAny<T> extends true
    ? unknown
    : unknown extends T
      ? unknown
      : IsEveryJson<T> extends true
        ? T
        : T extends Scalar
          ? T
          : T extends { toJSON(): infer Converted }
            ? Jsonify<Converted>
            : T extends NotJson
              ? never
              : T extends readonly unknown[]
                ? JsonifyArray<T>
                : T extends object
                  ? {
                      [Key in keyof T as T[Key] extends AnyFunction | symbol
                        ? IsAny<T[Key]> extends true
                          ? Key
                          : never
                        : Key extends symbol
                          ? never
                          : Key]: Jsonify<T[Key]>
                    }
                  : never

/** Written as array types, not as a mapped type: the compiler defers those, so an array may contain itself. */
type JsonifyArray<T extends readonly unknown[]> = number extends T['length']
  ? T extends unknown[]
    ? Jsonify<T[number]>[]
    : readonly Jsonify<T[number]>[]
  : { [Key in keyof T]: Jsonify<T[Key]> }

/** The stored result of a handler that returns `T`: as `Jsonify`, and nothing (`void`, `undefined`) becomes `null`. */
export type Stored<T> =
  IsAny<T> extends true ? unknown : unknown extends T ? unknown : T extends void ? null : Jsonify<T>
