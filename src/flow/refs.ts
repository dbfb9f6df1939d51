import { inspect } from 'node:util'
import { DefinitionError } from '../core/errors.ts'
import { quote } from '../strategies/option-schemas.ts'
import { isVisible } from './bodies.ts'
import type { Build } from './build.ts'
import type { Source, Template } from './graph.ts'
import { describeMisuse, type Misuse, misuseOf } from './ref-misuse.ts'
import type { Group, KeyAt, Ref, RefOf, ValueAt } from './ref-types.ts'
import { sourcesOf, templateAt } from './templates.ts'

/** What a Ref stands for. */
export interface RefTarget {
  readonly build: Build
  /** Where the value comes from; undefined if it is known that there is none. */
  readonly template: Template | undefined
  /** How messages call it, such as `ping.url`. */
  readonly label: string
  /** The Refs to its parts that were made so far, so that `input.a` is the same Ref every time. */
  readonly parts: Map<string | number, Ref<unknown>>
  /** True for what a map returned: its outcome is one of each item. */
  readonly isGroup: boolean
}

/** By the Ref and by the proxy's own target. */
const targets = new WeakMap<object, RefTarget>()

/** Makes a Ref. The caller vouches for the type of the value that the template will have. */
export function createRef<T>(
  build: Build,
  template: Template | undefined,
  label: string,
  isGroup = false,
): Ref<T> {
  const target: RefTarget = { build, template, label, parts: new Map(), isGroup }
  // A function, so that calling a Ref (`ref.items.map(...)`) is caught too.
  const core = Object.assign(() => undefined, {
    [inspect.custom]: () => `Ref<${label}>`,
    [Symbol.toStringTag]: 'Ref',
  })
  const proxy: unknown = new Proxy(core, handler)
  // Trust border: the type of a Ref's value exists for the compiler only.
  const ref = proxy as Ref<T>
  targets.set(core, target)
  targets.set(ref, target)
  return ref
}

/** Makes the Ref that a map returns, to the value of that node. The caller vouches for the type, as for that of any Ref. */
export function createGroup(build: Build, node: number, label: string): Group<unknown, never> {
  // Trust border: what tells the types of Refs apart exists for the compiler only.
  return createRef(build, { ref: node, path: [] }, label, true) as Group<unknown, never>
}

/** What a Ref stands for; undefined for anything else. */
export function refTarget(value: unknown): RefTarget | undefined {
  return typeof value === 'function' ? targets.get(value) : undefined
}

/** True for a Ref. */
export function isRef(value: unknown): value is RefOf<unknown> {
  return refTarget(value) !== undefined
}

/**
 * What a Ref stands for, after a check that it belongs to the build that is running, and can be used where that is.
 *
 * @throws DefinitionError for another flow's Ref, and outside of a map for a Ref to something of one item
 */
export function ownTarget(target: RefTarget, path: string, build: Build): RefTarget {
  if (target.build === build && build.open) {
    refuseHidden(target, path, build)
    return target
  }
  throw new DefinitionError(
    `${path}: Ref<${target.label}> belongs to the build of flow ${quote(target.build.flow)}${
      target.build.open ? '' : ', which has ended'
    }. Use a Ref only inside of the build function that made it; between flows, pass it as input or return it as output`,
  )
}

function refuseHidden({ template, label }: RefTarget, path: string, { nodes, frame }: Build): void {
  const sources: Source[] = template === undefined ? [] : [...sourcesOf(template)]
  if (sources.every((source) => isVisible(nodes, source, frame.map))) return
  throw new DefinitionError(
    `${path}: Ref<${label}> belongs to one item of a map, and can be used only inside of what is mapped. Outside of it, use what the call of map() returned`,
  )
}

/**
 * A Ref to an element of an array, or to a property whose name a Ref can't give by itself (such as `then`).
 *
 * @example
 * const first = at(list({ site }).urls, 0)
 * @throws DefinitionError when `ref` is no Ref, or `key` is no property name and no index
 */
export function at<T, const Key extends KeyAt<T>>(ref: RefOf<T>, key: Key): Ref<ValueAt<T, Key>> {
  const target = refTarget(ref)
  if (target === undefined) {
    throw new DefinitionError(
      `at(ref, key): expected a Ref, got ${inspect(ref, { depth: 0 })}; of a plain value, read the part itself`,
    )
  }
  if (typeof key !== 'string' && !(Number.isSafeInteger(key) && Number(key) >= 0)) {
    throw new DefinitionError(
      `at(ref, key): expected a property's name or an index from 0, got ${inspect(key, { depth: 0 })}`,
    )
  }
  // Trust border: the part's type follows from the Ref's.
  return partOf(target, key) as Ref<ValueAt<T, Key>>
}

function partOf(target: RefTarget, key: string | number): Ref<unknown> {
  const made = target.parts.get(key)
  if (made !== undefined) return made
  const { build, template, label } = target
  const part = createRef<unknown>(
    build,
    template && templateAt(template, key),
    typeof key === 'number' ? `${label}[${key}]` : `${label}.${key}`,
  )
  target.parts.set(key, part)
  return part
}

/** Reading a property makes a Ref; everything else that JavaScript can do with an object is a mistake. */
const handler: ProxyHandler<() => undefined> = {
  get(core, key) {
    const misuse = misuseOf(key)
    if (misuse !== undefined) return refuse(core, misuse, key)
    const target = targets.get(core)
    if (typeof key === 'symbol' || target === undefined) return Reflect.get(core, key)
    return partOf(target, key)
  },
  has: (core) => refuse(core, 'listed'),
  ownKeys: (core) => refuse(core, 'listed'),
  getOwnPropertyDescriptor: (core) => refuse(core, 'listed'),
  set: (core) => refuse(core, 'changed'),
  defineProperty: (core) => refuse(core, 'changed'),
  deleteProperty: (core) => refuse(core, 'changed'),
  setPrototypeOf: (core) => refuse(core, 'changed'),
  apply: (core) => refuse(core, 'called'),
}

function refuse(core: object, misuse: Misuse, key?: string | symbol): never {
  throw new DefinitionError(describeMisuse(targets.get(core)?.label ?? '?', misuse, key))
}
