import { checked } from '../strategies/option-schemas.ts'

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/
const QUEUE = /^[^:\s]{1,100}$/

/** BullMQ's greatest priority number, which is its lowest priority. */
const MAX_PRIORITY = 2_097_152

/** The name of a task or flow, and the key that a user gives to a node. */
export const nameSchema = checked<string>(
  '1 to 100 letters, digits, ".", "_" and "-", the first a letter or digit',
  (value) => typeof value === 'string' && NAME.test(value),
)

/** The name of a queue, by BullMQ's rule. */
export const queueSchema = checked<string>(
  'a queue\'s name: 1 to 100 characters without ":" and spaces',
  (value) => typeof value === 'string' && QUEUE.test(value),
)

/** A BullMQ priority. */
export const prioritySchema = checked<number>(
  `a whole number from 0 (first) to ${MAX_PRIORITY}`,
  (value) => Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= MAX_PRIORITY,
)

/** The separator between the prefixes of inlined flows and a node's own key. */
export const PREFIX_END = '/'

/** Begins the own key of a virtual node; no user's key can contain it. */
export const VIRTUAL_MARK = '$'

const SEGMENT = '[A-Za-z0-9][A-Za-z0-9._-]*'
const NODE_KEY = new RegExp(
  `^(?:${SEGMENT}${PREFIX_END})*(?:${SEGMENT}|[${VIRTUAL_MARK}]${SEGMENT})$`,
)

/** True for a text that has a node key's form, such as `ping`, `eu/ping-2` or `eu/$join`. */
export function isNodeKey(text: string): boolean {
  return NODE_KEY.test(text)
}
