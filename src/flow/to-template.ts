import { DefinitionError, messageOf } from '../core/errors.ts'
import { fromJsonText, toJsonText } from '../core/json.ts'
import { quote } from '../strategies/option-schemas.ts'
import type { Build } from './build.ts'
import type { Template } from './graph.ts'
import { ownTarget, refTarget } from './refs.ts'

const MAX_DEPTH = 200

/**
 * Turns a value with Refs in it into data.
 *
 * @param root how messages call the value, such as `ping: input`
 * @throws DefinitionError that names the path of a part that JSON can't carry, or of a Ref of another build
 */
export function toTemplate(value: unknown, root: string, build: Build): Template {
  return convert(value, root, build, 0) ?? { lit: null }
}

/** Undefined for what JSON leaves out. */
function convert(value: unknown, path: string, build: Build, depth: number): Template | undefined {
  const target = refTarget(value)
  if (target !== undefined) return ownTarget(target, path, build).template
  if (value === undefined) return undefined
  if (typeof value !== 'object' || value === null) return constant(value, path)
  if (depth >= MAX_DEPTH)
    throw new DefinitionError(`${path}: is nested more than ${MAX_DEPTH} levels deep, or in itself`)
  if (Array.isArray(value)) {
    return joinArray(
      Array.from(
        value,
        (item, index) => convert(item, `${path}[${index}]`, build, depth + 1) ?? { lit: null },
      ),
    )
  }
  return convertObject(value, path, build, depth)
}

function convertObject(value: object, path: string, build: Build, depth: number): Template {
  if (!isPlain(value)) {
    throw new DefinitionError(
      `${path}: expected what JSON can carry, got ${describeInstance(value)}`,
    )
  }
  const children: [string, Template][] = []
  for (const [key, child] of Object.entries(value)) {
    if (key === '__proto__')
      throw new DefinitionError(`${path}: expected no property with the name "__proto__"`)
    const template = convert(child, `${path}.${key}`, build, depth + 1)
    if (template !== undefined) children.push([key, template])
  }
  return joinObject(children)
}

/** An array of constants is a constant. */
function joinArray(items: readonly Template[]): Template {
  const constants = items.flatMap((item) => ('lit' in item ? [item.lit] : []))
  return constants.length === items.length ? { lit: constants } : { arr: items }
}

/** An object of constants is a constant. */
function joinObject(children: readonly (readonly [string, Template])[]): Template {
  const constants = children.flatMap(([key, child]) =>
    'lit' in child ? [[key, child.lit] as const] : [],
  )
  return constants.length === children.length
    ? { lit: Object.fromEntries(constants) }
    : { obj: Object.fromEntries(children) }
}

function constant(value: unknown, path: string): Template {
  if (typeof value === 'function' || typeof value === 'symbol') {
    throw new DefinitionError(
      `${path}: expected what JSON can carry, got a ${typeof value}; what a task does belongs into its handler`,
    )
  }
  try {
    return { lit: fromJsonText(toJsonText(value, path), path) }
  } catch (cause) {
    throw new DefinitionError(messageOf(cause), { cause })
  }
}

/** Also true for plain objects of another realm. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function describeInstance(value: object): string {
  if (value instanceof Date) return 'a Date; send date.toISOString()'
  if (value instanceof Map || value instanceof Set)
    return `a ${value.constructor.name}; send an array or an object`
  if (value instanceof Promise) return 'a Promise; call what makes it in a task'
  return `${quote(value)}; send a plain object with the fields that the task needs`
}
