/** What JavaScript does with a value that a Ref can't take part in, and what to do instead. */
const misuses = {
  text: 'it has no value while the flow is built, so it can be no part of a text or a sum. Pass it to a task and compute there',
  iterated:
    'it has no elements while the flow is built, so it can be neither spread nor iterated. Pass it whole, or take one element with at(ref, index)',
  awaited:
    'a build function is synchronous, and a Ref is no promise. Pass it to a task as it is: the task starts when the value is there',
  json: 'it has no value while the flow is built, so it can not be written as JSON. Pass it to a task and do it there',
  listed:
    'it has no properties to list while the flow is built, so it can not be spread into an object or searched with "in". Pass it whole, or name the properties: { url: ref.url }',
  changed:
    'its value is not known yet and can not be changed. Build a new object: { ...constants, url: ref.url }',
  called:
    'it is no function, and the methods of its value do not exist while the flow is built. Pass it to a task and call them there; to do something for each item of an array, use task.map(ref, …)',
} as const

/** A kind of misuse. */
export type Misuse = keyof typeof misuses

const byKey = new Map<string | symbol, Misuse>([
  [Symbol.toPrimitive, 'text'],
  ['toString', 'text'],
  ['toLocaleString', 'text'],
  ['valueOf', 'text'],
  [Symbol.iterator, 'iterated'],
  [Symbol.asyncIterator, 'iterated'],
  ['then', 'awaited'],
  ['toJSON', 'json'],
])

/** The misuse that shows in reading this property; undefined for a property like any other. */
export function misuseOf(key: string | symbol): Misuse | undefined {
  return byKey.get(key)
}

/** The message of the error. */
export function describeMisuse(label: string, misuse: Misuse, key?: string | symbol): string {
  const field =
    typeof key === 'string'
      ? ` (A field of the value that has this name is at(ref, ${JSON.stringify(key)}).)`
      : ''
  return `Ref<${label}>: ${misuses[misuse]}.${field}`
}
