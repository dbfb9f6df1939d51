import type { Grant, TicketToAdd } from '../coordinator/answers.ts'
import type { Coordinator } from '../coordinator/coordinator.ts'
import type { Delivery, MapChunk, OpenedRun } from '../coordinator/moves.ts'
import { formatItem } from '../coordinator/stored-items.ts'
import type { Json } from '../core/json.ts'
import type { CompiledGraph } from '../flow/compile.ts'
import { isWorkNode, type MapNode, type WorkNode } from '../flow/graph.ts'
import { instanceIndex, type Level, templateOf } from '../flow/instances.ts'
import { fillTemplate } from '../flow/values.ts'
import { quote } from '../strategies/option-schemas.ts'
import { type AttemptEnd, expanded, mapInvalid } from './attempt-end.ts'
import type { RunValues } from './values.ts'

/** The items of a map, as they are stored, or how the map's attempt ends because there are none to make. */
type Expansion = { readonly items: readonly string[] } | { readonly end: AttemptEnd }

/** A key has the place of the item in the keys of nodes, so it can't contain what ends it there. */
const ITEM_KEY = /^[^[\]\p{Cc}]{1,100}$/u

/** Items of one chunk at most (R25), and so many characters of them: 1,000 would hold Redis for 7 ms. */
const CHUNK = { items: 100, characters: 250_000 } as const

/** The attempt of a map. */
export interface MapAttempt {
  readonly node: MapNode
  readonly grant: Grant
  readonly coordinator: Coordinator
  readonly delivery: Delivery
  readonly run: OpenedRun
  readonly values: RunValues
  /** How many nodes that call these tasks may share a ticket. */
  companySize(nodes: readonly WorkNode[]): number
  /** Null, or how the attempt ends because it has to stop. */
  mayGoOn(): AttemptEnd
  onMade(toAdd: readonly TicketToAdd[]): void
}

/**
 * Makes the nodes of a map's items, in chunks (R25).
 *
 * @throws when Redis can't be read, or a chunk was refused: the job is to be handed back
 */
export async function makeItems(map: MapAttempt): Promise<AttemptEnd> {
  const stopped = map.mayGoOn()
  if (stopped) return stopped
  const { node, grant, coordinator, run } = map
  const expansion = await evaluateItems(run.graph, node, grant.index, map.values)
  if ('end' in expansion) return expansion.end
  const { roots } = run.graph.instances.body(templateOf(grant.index))
  const tasks = roots.flatMap((root) => {
    const first = run.graph.graph.nodes[root]
    return isWorkNode(first) ? [first] : []
  })
  const grain = map.companySize(tasks)
  for (let made = 0; made < expansion.items.length; ) {
    const chunk = { ...chunkFrom(expansion.items, made), grain }
    const answer = await coordinator.expand(map.delivery, run, grant, chunk)
    if (answer.status === 'refused') {
      // The settle is refused then as well.
      if (answer.reason === 'cancelled') break
      throw new Error(`a chunk of ${node.key} was refused: ${answer.reason}`)
    }
    made = answer.made
    map.onMade(answer.toAdd)
    const closing = map.mayGoOn()
    if (closing) return closing
  }
  return expanded()
}

/** Evaluates what a map goes over. */
async function evaluateItems(
  graph: CompiledGraph,
  node: MapNode,
  index: number,
  values: RunValues,
): Promise<Expansion> {
  const items = (await values.fillIn(index, node.items)) ?? null
  if (!Array.isArray(items)) return invalid(node, `expected an array, got ${quote(items)}`)
  if (items.length > node.maxItems) {
    return invalid(
      node,
      `expected at most ${node.maxItems} items, got ${items.length}. Raise maxItems, or map over less`,
    )
  }
  const keys = node.itemKey ? keysOf(graph, node, index, items, values) : items.map(() => '')
  if (typeof keys === 'string') return invalid(node, keys)
  return {
    items: items.map((item: Json, position) =>
      formatItem({ key: keys[position] ?? '', value: JSON.stringify(item) }),
    ),
  }
}

/** The chunks in which instances are made, beginning with the item at a position. */
function chunkFrom(items: readonly string[], first: number): Omit<MapChunk, 'grain'> {
  let characters = 0
  let end = first
  while (end < items.length && end - first < CHUNK.items && characters < CHUNK.characters) {
    characters += items[end]?.length ?? 0
    end += 1
  }
  return { first, items: items.slice(first, end) }
}

/** The keys, or what is wrong with one. */
function keysOf(
  graph: CompiledGraph,
  { itemKey }: MapNode,
  index: number,
  items: readonly Json[],
  values: RunValues,
): string[] | string {
  const at = graph.instances.locate(index)
  const positions = new Map<string, number>()
  for (const [position, item] of items.entries()) {
    const instance = graph.instances.itemInstance(at, position)
    const level: Level = { map: at.template, position, instance }
    const own = { ...at, levels: [...at.levels, level] }
    const known = {
      outcome: (node: number) => values.outcome(node),
      item: (of: number) => (of === instanceIndex(instance) ? item : values.item(of)),
      itemCount: (group: number) => values.itemCount(group),
      input: () => values.input(),
    }
    const key = itemKey && fillTemplate(graph, own, itemKey, known)
    const text = typeof key === 'number' ? String(key) : key
    if (typeof text !== 'string' || !ITEM_KEY.test(text)) {
      return `the key of item ${position}: expected a number, or a text of 1 to 100 characters without brackets and line breaks, got ${quote(key)}`
    }
    const other = positions.get(text)
    if (other !== undefined) {
      return `expected a key of its own for each item, got ${quote(text)} for the items ${other} and ${position}`
    }
    positions.set(text, position)
  }
  return [...positions.keys()]
}

function invalid({ key }: MapNode, problem: string): Expansion {
  return { end: mapInvalid(`the items of ${key.replace(/\[\]$/, '')}: ${problem}`) }
}
