/**
 * A deep copy of plain data, frozen at every level. It is a copy because what it is taken from may still be in use: a
 * handler that timed out can go on writing to its input.
 */
export function frozenCopy<T>(value: T): T
export function frozenCopy(value: unknown): unknown {
  if (Array.isArray(value)) return Object.freeze(value.map((item: unknown) => frozenCopy(item)))
  if (typeof value !== 'object' || value === null) return value
  // fromEntries defines its keys, so a key named __proto__ stays data.
  return Object.freeze(
    Object.fromEntries(Object.entries(value).map(([key, child]) => [key, frozenCopy(child)])),
  )
}
