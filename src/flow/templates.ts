import type { Json } from '../core/json.ts'
import type { Condition, Path, Source, Template } from './graph.ts'

/**
 * Replaces the Refs of a template by their values. A path that leads nowhere gives `undefined`, which is left out of
 * objects and is `null` in arrays, as JSON has it. Constants are returned as they are, not copied.
 *
 * @param valueOfSource the value of a node or of the run's input; `undefined` if there is none
 */
export function resolveTemplate(
  template: Template,
  valueOfSource: (source: Source) => Json | undefined,
): Json | undefined {
  if ('lit' in template) return template.lit
  if ('ref' in template) return valueAt(valueOfSource(template.ref), template.path)
  if ('arr' in template)
    return template.arr.map((item) => resolveTemplate(item, valueOfSource) ?? null)
  if (!('obj' in template)) return holds(template, valueOfSource)
  const resolved: Record<string, Json> = {}
  for (const key of Object.keys(template.obj)) {
    const child = template.obj[key]
    const value = child && resolveTemplate(child, valueOfSource)
    if (value !== undefined) setOwn(resolved, key, value)
  }
  return resolved
}

/** Only `true` is true, and a value that is missing is null. */
function holds(condition: Condition, valueOfSource: (source: Source) => Json | undefined): boolean {
  const isTrue = (part: Template) => resolveTemplate(part, valueOfSource) === true
  if ('is' in condition) {
    return (resolveTemplate(condition.is, valueOfSource) ?? null) === condition.to
  }
  if ('not' in condition) return !isTrue(condition.not)
  return 'and' in condition ? condition.and.every(isTrue) : condition.or.some(isTrue)
}

/** The part of a value that a path leads to. Only a value's own properties count, so `constructor` leads nowhere. */
export function valueAt(value: Json | undefined, path: Path): Json | undefined {
  let current = value
  for (const key of path) current = childOf(current, key)
  return current
}

/** The part of a template that a property or an element is; `undefined` if it is known to have none. */
export function templateAt(template: Template, key: string | number): Template | undefined {
  if ('ref' in template) return { ref: template.ref, path: [...template.path, key] }
  if ('arr' in template) return ownValue(template.arr, key)
  if ('obj' in template) return ownValue(template.obj, key)
  // A condition is true or false, which has no parts.
  if (!('lit' in template)) return undefined
  const child = childOf(template.lit, key)
  return child === undefined ? undefined : { lit: child }
}

/** Everything that a template refers to, each once. */
export function sourcesOf(template: Template, found: Set<Source> = new Set()): Set<Source> {
  if ('ref' in template) found.add(template.ref)
  else for (const part of partsOf(template)) sourcesOf(part, found)
  return found
}

const ITEM_SOURCE = /^(?:item|index):(\d+)$/

/** The map whose item, or whose item's position, a source is; null for any other. */
export function mapOfSource(source: Source): number | null {
  const [, map] = (typeof source === 'string' && ITEM_SOURCE.exec(source)) || []
  return map === undefined ? null : Number(map)
}

/** The nodes among them. */
export function nodesOf(template: Template): number[] {
  return [...sourcesOf(template)].filter((source) => typeof source === 'number')
}

function partsOf(template: Template): readonly Template[] {
  if ('arr' in template) return template.arr
  if ('obj' in template) return Object.values(template.obj)
  if ('is' in template) return [template.is]
  if ('not' in template) return [template.not]
  if ('and' in template) return template.and
  return 'or' in template ? template.or : []
}

function childOf(value: Json | undefined, key: string | number): Json | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  return ownValue<Json | undefined>(value, key)
}

/** An own property, never an inherited one; an array's `length` is none of its elements. */
function ownValue<T>(
  holder: { readonly [key: string]: T } | readonly T[],
  key: string | number,
): T | undefined {
  if (!Object.hasOwn(holder, key)) return undefined
  if (Array.isArray(holder)) return key === 'length' ? undefined : holder[Number(key)]
  return Reflect.get(holder, key)
}

/** Assigning to `__proto__` would change the prototype instead of adding a property. */
function setOwn(holder: Record<string, Json>, key: string, value: Json): void {
  if (key === '__proto__') {
    Object.defineProperty(holder, key, {
      value,
      enumerable: true,
      writable: true,
      configurable: true,
    })
  } else {
    holder[key] = value
  }
}
