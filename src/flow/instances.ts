import { type GraphNode, MAX_NODES } from './graph.ts'

/**
 * How instances of nodes are numbered. A graph's own nodes have their index. For every item of a map there is one
 * instance of the map's body, with a number from 1, and a node in it has the index `instance * 1,000,000 + its index in
 * the graph`. The numbers of a map's instances follow from the graph alone, so nothing of them is stored:
 * a map inside of a body has its instances right behind the body's own.
 *
 * The index `instance * 1,000,000` is that of the item itself: no node of a body is the first of its graph.
 */
const INSTANCE = MAX_NODES

/** How many instances have an index that scripts can count with. */
export const MAX_INSTANCES = Math.floor(Number.MAX_SAFE_INTEGER / INSTANCE) - 1

const NO_LEVELS: readonly Level[] = []

/** The nodes that a map repeats, and the numbers of their instances. */
export interface MapBody {
  /** The `MapNode`. */
  readonly map: number
  /** The maps around it, outermost first, and itself. */
  readonly path: readonly number[]
  /** The first instance, relative to that of the body around it. */
  readonly base: number
  /** From one item's instance to the next: 1, and those of the maps inside. */
  readonly stride: number
  /** The nodes of the body, those of maps inside of it left out. */
  readonly nodes: readonly number[]
  /** Those of its nodes that wait for nothing but the map. */
  readonly roots: readonly number[]
}

/** One map on the way to an instance. */
export interface Level {
  readonly map: number
  /** Which item, from 0. */
  readonly position: number
  readonly instance: number
}

/** Where an index leads. */
export interface Location {
  readonly index: number
  /** The node of the graph. */
  readonly template: number
  /** The maps around it, outermost first; empty for a node that no map repeats. */
  readonly levels: readonly Level[]
}

/** The node of the graph that an index is an instance of. */
export function templateOf(index: number): number {
  return index < INSTANCE ? index : index % INSTANCE
}

/** The index of a node in an instance; of the item itself without a node. */
export function instanceIndex(instance: number, template = 0): number {
  return instance * INSTANCE + template
}

/** How many instances the maps of a graph can make, if each has as many items as it may. */
export function possibleInstances(nodes: readonly GraphNode[]): number {
  return sizeInside(bodiesOf(nodes), nodes, undefined)
}

/** The maps of a graph and the numbers of their instances. */
export class Instances {
  readonly bodies: ReadonlyMap<number, MapBody>
  readonly #nodes: readonly GraphNode[]

  constructor(nodes: readonly GraphNode[]) {
    this.#nodes = nodes
    this.bodies = bodiesOf(nodes)
  }

  /** @throws RangeError for a node that is no map */
  body(map: number): MapBody {
    const body = this.bodies.get(map)
    if (!body) throw new RangeError(`node ${map} of the graph is no map`)
    return body
  }

  locate(index: number): Location {
    const template = templateOf(index)
    if (index < INSTANCE) return { index, template, levels: NO_LEVELS }
    const instance = Math.floor(index / INSTANCE)
    return { index, template, levels: this.#levelsOf(instance) }
  }

  /** The instance of an item, seen from the map's own location. */
  itemInstance(map: Location, position: number): number {
    const { base, stride } = this.body(map.template)
    return (map.levels.at(-1)?.instance ?? 0) + base + position * stride
  }

  /** The index of a node of the graph as seen from a place: in the same bodies, as far as it lies in them. */
  indexFrom({ levels }: Location, template: number): number {
    const map = this.#nodes[template]?.map
    const level = levels.find((candidate) => candidate.map === map)
    return level ? instanceIndex(level.instance, template) : template
  }

  #levelsOf(instance: number): Level[] {
    const levels: Level[] = []
    let inside: number | undefined
    let around = 0
    while (instance > around) {
      const body = this.#bodyAt(inside, instance - around)
      const position = Math.floor((instance - around - body.base) / body.stride)
      around += body.base + position * body.stride
      levels.push({ map: body.map, position, instance: around })
      inside = body.map
    }
    return levels
  }

  /** The map in the body of `inside` whose instances begin last before `offset`. */
  #bodyAt(inside: number | undefined, offset: number): MapBody {
    let found: MapBody | undefined
    for (const body of this.bodies.values()) {
      if (this.#nodes[body.map]?.map === inside && body.base <= offset) found = body
    }
    if (!found) throw new RangeError(`no map of the graph has an instance ${offset}`)
    return found
  }
}

function bodiesOf(nodes: readonly GraphNode[]): Map<number, MapBody> {
  const bodies = new Map<number, MapBody>()
  const bases = new Map<number | undefined, number>()
  // From the last map to the first, since what is inside of a body comes after its map.
  for (const [map, node] of [...nodes.entries()].reverse()) {
    if (node.kind !== 'map') continue
    const inside = nodes.flatMap((member, index) => (member.map === map ? [index] : []))
    bodies.set(map, {
      map,
      path: pathTo(nodes, map),
      base: 0,
      stride: 1 + sizeInside(bodies, nodes, map),
      nodes: inside,
      roots: inside.filter((index) => nodes[index]?.upstreams.length === 0),
    })
  }
  const ascending = [...bodies.values()].reverse()
  return new Map(
    ascending.map((body) => {
      const around = nodes[body.map]?.map
      const base = bases.get(around) ?? 1
      bases.set(around, base + body.stride * maxItems(nodes, body.map))
      return [body.map, { ...body, base }]
    }),
  )
}

function sizeInside(
  bodies: ReadonlyMap<number, MapBody>,
  nodes: readonly GraphNode[],
  around: number | undefined,
): number {
  let size = 0
  for (const { map, stride } of bodies.values()) {
    if (nodes[map]?.map === around) size += stride * maxItems(nodes, map)
  }
  return size
}

function maxItems(nodes: readonly GraphNode[], map: number): number {
  const node = nodes[map]
  return node?.kind === 'map' ? node.maxItems : 0
}

function pathTo(nodes: readonly GraphNode[], map: number): number[] {
  const path: number[] = []
  for (let at: number | undefined = map; at !== undefined; at = nodes[at]?.map) path.unshift(at)
  return path
}
