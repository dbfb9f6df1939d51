import { DefinitionError } from '../core/errors.ts'
import { quote } from '../strategies/option-schemas.ts'
import { addNode, type Build, currentBuild, runInFrame } from './build.ts'
import { elementsOf, joinBody, waitForItem } from './element-wise.ts'
import type { Template } from './graph.ts'
import { newBody, runItemFunction } from './map-body.ts'
import { checkMapOptions, checkNextMapOptions, type ItemFunction } from './map-options.ts'
import { ITEM_MARK } from './names.ts'
import { takeNodeKey } from './node-keys.ts'
import type { Group } from './ref-types.ts'
import { createGroup, isRef } from './refs.ts'
import { toTemplate } from './to-template.ts'

/** What is mapped: a task or a flow. */
export interface Mapped {
  readonly name: string
  /** The key that its `.with()` chose for the group. */
  readonly key: string | undefined
  /**
   * Adds what is done for one item, in the frame of the map's body.
   *
   * @param key the key of an item, such as `fetch[*]`
   * @returns the index of the node whose end is the item's
   */
  addBody(build: Build, key: string, input: Template): number
}

/**
 * A call of `map` in a build function: adds the map, what is done for each item, and the group of their results. A map
 * of such a group adds to what is done for its items instead.
 *
 * @returns the Ref of the group
 */
export function addMap(
  mapped: Mapped,
  items: unknown,
  rest: readonly unknown[],
): Group<unknown, never> {
  const call = `${mapped.name}.map()`
  const build = currentBuild(
    () =>
      `${call} was called outside of a flow's build function. Call it in the function that you pass to flow()`,
  )
  const { fn, options } = argumentsOf(rest, call)
  const template = toTemplate(items, `${call}: items`, build)
  const key = takeNodeKey(build, mapped.name, mapped.key)
  const elements = elementsOf(build, template)
  const body = elements
    ? joinBody(build, elements, checkNextMapOptions(options, call))
    : newBody(build, { key, items: template, call }, checkMapOptions(options, call))
  const first = build.nodes.length
  const outcome = runInFrame(build, { ...build.frame, map: body.map }, () => {
    const input = fn ? runItemFunction(build, body, fn, call) : body.item
    return mapped.addBody(build, key + ITEM_MARK, input)
  })
  waitForItem(build, body, first)
  const group = addNode(build, {
    kind: 'group',
    key,
    upstreams: [body.map, outcome],
    ...(body.tolerate === undefined ? {} : { tolerate: body.tolerate }),
  })
  return createGroup(build, group, key)
}

interface MapArguments {
  readonly fn?: ItemFunction
  readonly options: unknown
}

/** The function may be left out. */
function argumentsOf([first, second]: readonly unknown[], call: string): MapArguments {
  if (typeof first === 'function' && !isRef(first)) {
    // Trust border: the types of its parameters are the compiler's.
    return { fn: first as ItemFunction, options: second ?? {} }
  }
  if (first === undefined) return { options: second ?? {} }
  if (typeof first === 'object' && first !== null && second === undefined) return { options: first }
  throw new DefinitionError(
    `${call}: expected a function (item, index) => arguments as second argument, got ${isRef(first) ? 'a Ref' : quote(first)}`,
  )
}
