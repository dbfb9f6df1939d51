import { z } from 'zod'
import { checked, parseOptions } from '../strategies/option-schemas.ts'
import { MAX_UPSTREAMS } from './graph.ts'
import type { Ref, RefOf } from './ref-types.ts'
import { isRef } from './refs.ts'
import { isTolerance } from './tolerance.ts'

const DEFAULT_MAX_ITEMS = 10_000

/** A function of `map`: it makes arguments, or a key. */
export type ItemFunction = (item: Ref<unknown>, index: Ref<number>) => unknown

/** What `map` takes after its function. */
export interface MapOptions<Item, Tolerate extends number | undefined> {
  /**
   * The item's key, a text or a number that no other item has: it names the item's nodes (`fetch[42]`). It runs once, at
   * definition, with Refs, and returns one of them or a part of one.
   * @default the item's position, from 0
   */
  key?: ((item: Ref<Item>, index: Ref<number>) => RefOf<string | number>) | undefined
  /**
   * How many items may fail: a number of items, or, between 0 and 1, a fraction of them. With it the group's value tells
   * of each item how it ended, and failures that are tolerated don't make the run fail.
   */
  tolerate?: Tolerate
  /**
   * More items than that fail the map (`map_invalid`). From 1 to 65,535.
   * @default 10_000
   */
  maxItems?: number | undefined
}

const tolerate = checked<number>(
  'a whole number of items from 0, or a fraction between 0 and 1',
  isTolerance,
).optional()

const mapOptionsSchema = z.strictObject({
  key: checked<ItemFunction>("a function (item, index) => a Ref to the item's key", (value) => {
    return typeof value === 'function' && !isRef(value)
  }).optional(),
  tolerate,
  maxItems: checked<number>(
    `a whole number from 1 to ${MAX_UPSTREAMS}`,
    (value) => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MAX_UPSTREAMS,
  ).default(DEFAULT_MAX_ITEMS),
})

const inherited = checked<undefined>(
  'none, since a map of the results of another one has its items and their keys',
  (value) => value === undefined,
).optional()

const nextMapOptionsSchema = z.strictObject({ key: inherited, tolerate, maxItems: inherited })

/** The options of a map that makes items, after the check. */
export type CheckedMapOptions = z.output<typeof mapOptionsSchema>

/** @throws DefinitionError that names the option, what was expected and what was got */
export function checkMapOptions(options: unknown, where: string): CheckedMapOptions {
  return parseOptions(mapOptionsSchema, options, where)
}

/**
 * The options of a map of the results of another one.
 *
 * @throws DefinitionError that names the option, what was expected and what was got
 */
export function checkNextMapOptions(
  options: unknown,
  where: string,
): { tolerate?: number | undefined } {
  return parseOptions(nextMapOptionsSchema, options, where)
}
