import type { IsAny } from './jsonify.ts'
import type { Group, Out, RefOf, Settled } from './ref-types.ts'

/** The value of what is mapped: a Ref to an array, or an array with Refs in it. */
type ArrayOf<Items> = Items extends RefOf<infer Value> ? Value : Out<Items>

/** The type of an item: the array's elements, all of them together if they differ. */
export type ItemOf<Items> =
  unknown extends ArrayOf<Items>
    ? unknown
    : ArrayOf<Items> extends readonly (infer Item)[]
      ? IsAny<Item> extends true
        ? unknown
        : Item
      : never

/** Anything for what can be mapped, else nothing. What nobody knows the type of can be. */
export type Mappable<Items> =
  unknown extends ArrayOf<Items>
    ? unknown
    : [ArrayOf<Items>] extends [readonly unknown[]]
      ? unknown
      : never

/** The same for what can be mapped without a function, because an item is an input. */
export type MappableAs<Items, Input> = Mappable<Items> &
  ([ItemOf<Items>] extends [Input] ? unknown : never)

/** What `map` returns: the outputs, or, if some may fail, how each item ended. */
export type MapResult<O, Tolerate extends number | undefined> = Group<
  O,
  Tolerate extends number ? Settled<O> : O
>
