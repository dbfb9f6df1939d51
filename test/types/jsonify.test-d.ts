import type { z } from 'zod'
import type { IsAny, Jsonify, Stored } from '../../src/flow/jsonify.ts'
import { type Any, assertType, type Equal } from './assert.ts'

interface Tree {
  readonly at: Date
  readonly children: readonly Tree[]
}
type Nested = number | Nested[]
type JsonValue = z.output<ReturnType<typeof z.json>>

// Scalars and their unions stay.
assertType<Equal<Jsonify<'a' | 1 | boolean | null>, 'a' | 1 | boolean | null>>()
assertType<Equal<Jsonify<string | undefined>, string | undefined>>()

// A Date is a string, also as a part.
assertType<Equal<Jsonify<Date>, string>>()
assertType<Equal<Jsonify<{ at: Date; seen?: Date }>, { at: string; seen?: string }>>()
assertType<Equal<Jsonify<Date[]>, string[]>>()
assertType<Equal<Jsonify<readonly Date[]>, readonly string[]>>()
assertType<Equal<Jsonify<[Date, number?]>, [string, number?]>>()
assertType<Equal<Jsonify<Record<string, Date>>, Record<string, string>>>()
assertType<Equal<Jsonify<{ at: Date } | null>, { at: string } | null>>()

// What JSON drops or can't carry.
assertType<Equal<Jsonify<{ a: 1; log(): void; mark: symbol }>, { a: 1 }>>()
assertType<Equal<Jsonify<bigint>, never>>()
assertType<Equal<Jsonify<{ m: Map<string, number> }>, { m: never }>>()

// any is unknown at every depth.
assertType<Equal<Jsonify<Any>, unknown>>()
assertType<Equal<Jsonify<unknown>, unknown>>()
assertType<Equal<Jsonify<{ a: Any; b?: string }>, { a: unknown; b?: string }>>()
assertType<Equal<Jsonify<Any[]>, unknown[]>>()
assertType<Equal<IsAny<Jsonify<{ a: { b: Any }[] }>['a'][number]['b']>, false>>()

// Types that contain themselves.
assertType<Equal<Jsonify<JsonValue>, JsonValue>>()
assertType<Equal<Jsonify<{ data: JsonValue }>, { data: JsonValue }>>()
assertType<Equal<Jsonify<Tree>['children'][number]['children'][number]['at'], string>>()
export const nested: Nested = [1, [2]] satisfies Jsonify<Nested>

// A handler that returns nothing stores null.
assertType<Equal<Stored<void>, null>>()
assertType<Equal<Stored<undefined>, null>>()
assertType<Equal<Stored<string | undefined>, string | null>>()
assertType<Equal<Stored<Any>, unknown>>()
assertType<Equal<Stored<unknown>, unknown>>()
assertType<Equal<Stored<{ at?: Date }>, { at?: string }>>()
