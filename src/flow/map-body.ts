import { DefinitionError } from '../core/errors.ts'
import { bodyUpstreams } from './bodies.ts'
import { addNode, type Build, runInFrame } from './build.ts'
import type { MapNode, Template } from './graph.ts'
import type { CheckedMapOptions, ItemFunction } from './map-options.ts'
import { MAP_MARK } from './names.ts'
import { createRef } from './refs.ts'
import { nodesOf } from './templates.ts'
import { toTemplate } from './to-template.ts'
import { ignoreRejection } from './virtual-nodes.ts'

/** What is done for each item of a map. */
export interface Body {
  /** The index of the map. */
  readonly map: number
  readonly item: Template
  /** How many of its items may fail. */
  readonly tolerate: number | undefined
}

/** A call of `map`. */
interface MapCall {
  /** The key of the group that it makes. */
  readonly key: string
  readonly items: Template
  /** How messages call it. */
  readonly call: string
}

/**
 * Adds a map.
 *
 * @throws DefinitionError for items that are no array, or too many, and for a key that isn't the item's
 */
export function newBody(
  build: Build,
  { key, items, call }: MapCall,
  { key: itemKey, maxItems, tolerate }: CheckedMapOptions,
): Body {
  checkItems(items, maxItems, call)
  const node: MapNode = {
    kind: 'map',
    key: key + MAP_MARK,
    items,
    maxItems,
    upstreams: bodyUpstreams(build, nodesOf(items)),
  }
  const map = addNode(build, node)
  build.planOfMap.set(map, build.frame.plan)
  const body: Body = { map, item: { ref: `item:${map}`, path: [] }, tolerate }
  if (itemKey) addItemKey(build, body, itemKey, call)
  return body
}

function checkItems(items: Template, maxItems: number, call: string): void {
  if ('ref' in items) return
  const list = 'arr' in items ? items.arr : 'lit' in items ? items.lit : undefined
  if (!Array.isArray(list)) {
    throw new DefinitionError(
      `${call}: items: expected a Ref to an array, or an array with Refs in it`,
    )
  }
  if (list.length > maxItems) {
    throw new DefinitionError(
      `${call}: items: expected at most ${maxItems} (the option maxItems), got ${list.length}`,
    )
  }
}

function addItemKey(build: Build, body: Body, fn: ItemFunction, call: string): void {
  const frame = { ...build.frame, map: body.map }
  const key = runInFrame(build, frame, () => runItemFunction(build, body, fn, `${call}: key`))
  const sources = [`item:${body.map}`, `index:${body.map}`]
  if (!('ref' in key) || !sources.includes(String(key.ref))) {
    throw new DefinitionError(
      `${call}: key: expected a function that returns the item, a part of it, or its index`,
    )
  }
  const node = build.nodes[body.map]
  if (node?.kind === 'map') build.nodes[body.map] = { ...node, itemKey: key }
}

/**
 * Runs a function of a map, in the frame of its body.
 *
 * @param what the function, for messages
 * @throws DefinitionError if it makes nodes
 */
export function runItemFunction(
  build: Build,
  { map, item }: Body,
  fn: ItemFunction,
  what: string,
): Template {
  return runInFrame(build, { ...build.frame, argumentsOf: what }, () => {
    const index = createRef<number>(build, { ref: `index:${map}`, path: [] }, 'index')
    const result = fn(createRef(build, item, 'item'), index)
    ignoreRejection(result)
    return toTemplate(result, `${what}: the result of its function`, build)
  })
}
