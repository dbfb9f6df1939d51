import { SerializationError } from './errors.ts'

/** What JSON can carry. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json | undefined }

const MAX_DEPTH = 200

/**
 * Serialises a value, or says which part of it JSON can't carry. What JSON changes silently in a harmless way it
 * changes here too: `undefined` and functions are dropped, a Date becomes a string.
 *
 * @param root the name of the value in the error's path, such as `result`
 * @throws SerializationError for a BigInt, a cycle, a throwing `toJSON`, a Map, a Set, NaN or an infinity, or
 *   more than 200 levels
 */
export function toJsonText(value: unknown, root: string): string {
  inspect(value, root, new Set(), 0)
  try {
    const text: string | undefined = JSON.stringify(value)
    return text ?? 'null'
  } catch (cause) {
    throw new SerializationError(root, "can't be written as JSON", { cause })
  }
}

/** Reads JSON that this system wrote. A broken text is an internal error and says where it came from. */
export function fromJsonText(text: string, what: string): Json {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new SerializationError(what, 'is not valid JSON', { cause })
  }
}

function inspect(value: unknown, path: string, above: Set<object>, depth: number): void {
  if (typeof value === 'bigint')
    throw new SerializationError(path, "is a BigInt, which JSON can't carry; send a string")
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new SerializationError(
      path,
      `is ${value}, which JSON turns into null; send a finite number or a string`,
    )
  }
  if (typeof value !== 'object' || value === null) return
  if (above.has(value))
    throw new SerializationError(path, 'refers to a value that contains it (a cycle)')
  if (depth >= MAX_DEPTH)
    throw new SerializationError(path, `is nested more than ${MAX_DEPTH} levels deep`)
  if (value instanceof Map || value instanceof Set) {
    throw new SerializationError(
      path,
      `is a ${value.constructor.name}, which JSON turns into {}; send an array or an object`,
    )
  }
  above.add(value)
  inspectChildren(value, path, above, depth)
  above.delete(value)
}

function inspectChildren(value: object, path: string, above: Set<object>, depth: number): void {
  const converted = callToJson(value, path)
  if (converted !== value) {
    inspect(converted, path, above, depth + 1)
  } else if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) inspect(value[i], `${path}[${i}]`, above, depth + 1)
  } else {
    for (const [key, child] of entriesOf(value, path))
      inspect(child, `${path}.${key}`, above, depth + 1)
  }
}

function callToJson(value: object, path: string): unknown {
  try {
    const toJson: unknown = Reflect.get(value, 'toJSON')
    return typeof toJson === 'function' ? toJson.call(value) : value
  } catch (cause) {
    throw new SerializationError(path, 'has a toJSON() that throws', { cause })
  }
}

function entriesOf(value: object, path: string): [string, unknown][] {
  try {
    return Object.entries(value)
  } catch (cause) {
    throw new SerializationError(path, 'has a property that throws when it is read', { cause })
  }
}
