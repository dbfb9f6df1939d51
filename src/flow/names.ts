import { checked } from '../strategies/option-schemas.ts'
import { isLockKey, isPriority, isQueueName, LOCK_KEY, MAX_PRIORITY } from '../strategies/place.ts'

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/

/** The name of a task or flow, and the key that a user gives to a node. */
export const nameSchema = checked<string>(
  '1 to 100 letters, digits, ".", "_" and "-", the first a letter or digit',
  (value) => typeof value === 'string' && NAME.test(value),
)

/** The name of a queue, by BullMQ's rule. */
export const queueSchema = checked<string>(
  'a queue\'s name: 1 to 100 characters without ":" and spaces',
  isQueueName,
)

/** A BullMQ priority. */
export const prioritySchema = checked<number>(
  `a whole number from 0 (first) to ${MAX_PRIORITY}`,
  isPriority,
)

/** The key of a lock. */
export const lockSchema = checked<string>(LOCK_KEY, isLockKey)

/** The separator between the prefixes of inlined flows and a node's own key. */
export const PREFIX_END = '/'

/** Begins the own key of a virtual node; no user's key can contain it. */
export const VIRTUAL_MARK = '$'

/** Follows a map's group's key in that of the map, which makes its items. */
export const MAP_MARK = '[]'

/** Stands in the keys of a map's body where an instance has the item's key in brackets. */
export const ITEM_MARK = '[*]'

const SEGMENT = '[A-Za-z0-9][A-Za-z0-9._-]*'
const ITEM = '(?:\\[[^[\\]]*\\])?'
const NODE_KEY = new RegExp(
  `^(?:${SEGMENT}${ITEM}${PREFIX_END})*(?:${SEGMENT}|[${VIRTUAL_MARK}]${SEGMENT})${ITEM}$`,
)

/**
 * True for a text that has a node key's form, such as `ping`, `eu/ping-2`, `eu/$join`, and in maps `fetch[]`, `fetch[*]`,
 * `fetch[42]` or `order[42]/pay`.
 */
export function isNodeKey(text: string): boolean {
  return NODE_KEY.test(text)
}
