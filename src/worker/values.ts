import type { StoredValue } from '../coordinator/answers.ts'
import type { Coordinator } from '../coordinator/coordinator.ts'
import { failureOfEntry, readLogLine } from '../coordinator/run-record.ts'
import { nodeState } from '../coordinator/run-snapshot.ts'
import { readItem, type StoredItem } from '../coordinator/stored-items.ts'
import { fromJsonText, type Json } from '../core/json.ts'
import { isFinalNodeState } from '../core/states.ts'
import type { CompiledGraph } from '../flow/compile.ts'
import type { Template } from '../flow/graph.ts'
import { instanceIndex, type Location, templateOf } from '../flow/instances.ts'
import { fillTemplate, type KnownValues, type NodeOutcome, unknownIndices } from '../flow/values.ts'

/** The values that a delivery's nodes need: from answers to claims and settles, each parsed once. */
export class RunValues implements KnownValues {
  readonly #coordinator: Coordinator
  readonly #runId: string
  readonly #graph: CompiledGraph
  readonly #stored = new Map<number, StoredValue>()
  readonly #outcomes = new Map<number, NodeOutcome>()
  readonly #items = new Map<number, StoredItem>()
  #input = ''
  #parsedInput: Json | undefined

  constructor(coordinator: Coordinator, runId: string, graph: CompiledGraph) {
    this.#coordinator = coordinator
    this.#runId = runId
    this.#graph = graph
  }

  /** Takes what an answer brought, and reads apart what was too large to come with it (R25). */
  async add(values: readonly StoredValue[], input = ''): Promise<void> {
    if (input !== '') this.#input = input
    const tooLarge: StoredValue[] = []
    for (const value of values) {
      if (value.payload === null) tooLarge.push(value)
      else this.#stored.set(value.index, value)
    }
    if (tooLarge.length === 0) return
    const indices = tooLarge.map(({ index }) => index)
    const texts = await this.#coordinator.readResults(this.#runId, indices)
    for (const value of tooLarge) {
      this.#stored.set(value.index, { ...value, payload: texts.get(value.index) ?? null })
    }
  }

  /** Remembers a result of this delivery's own. */
  addResult(index: number, text: string): void {
    this.#stored.set(index, { index, state: 'S', payload: text })
  }

  /** Fills in a node's input or condition, and reads first what this delivery has not seen of either. */
  async fillIn(index: number, template: Template): Promise<Json | undefined> {
    const at = this.#graph.instances.locate(index)
    if (!this.#isKnown(at)) await this.#read(at)
    return fillTemplate(this.#graph, at, template, this)
  }

  /** True if nothing has to be read for a node outside of maps that uses no group: the usual case. */
  #isKnown({ template, levels }: Location): boolean {
    const sources = this.#graph.sources[template]
    if (!sources || sources.hasGroups || levels.length > 0) return false
    if (sources.input && this.#input === '') return false
    return sources.nodes.every((node) => this.#stored.has(node))
  }

  /** The keys that maps gave the items that a node belongs to, by the items' indices; those without are left out. */
  async itemKeys({ levels }: Location): Promise<Map<number, string>> {
    const indices = levels.map(({ instance }) => instanceIndex(instance))
    await this.#readAll(indices.filter((index) => !this.#stored.has(index)))
    return new Map(
      indices.flatMap((index) => {
        const key = this.#item(index)?.key ?? null
        return key === null ? [] : [[index, key] as const]
      }),
    )
  }

  outcome(index: number): NodeOutcome | undefined {
    const known = this.#outcomes.get(index)
    if (known) return known
    const value = this.#stored.get(index)
    const outcome = value && outcomeOf(value, this.#isGroup(index))
    if (outcome) this.#outcomes.set(index, outcome)
    return outcome
  }

  item(index: number): Json | undefined {
    return this.#item(index)?.value
  }

  itemCount(group: number): number {
    return Number.parseInt(this.#stored.get(group)?.payload ?? '0', 10) || 0
  }

  input(): Json | undefined {
    this.#parsedInput ??=
      this.#input === '' ? undefined : fromJsonText(this.#input, "the run's input")
    return this.#parsedInput
  }

  #item(index: number): StoredItem | undefined {
    const known = this.#items.get(index)
    if (known) return known
    const payload = this.#stored.get(index)?.payload
    const item = typeof payload === 'string' ? readItem(payload) : undefined
    if (item) this.#items.set(index, item)
    return item
  }

  #isGroup(index: number): boolean {
    return this.#graph.graph.nodes[templateOf(index)]?.kind === 'group'
  }

  async #read(at: Location): Promise<void> {
    const sources = this.#graph.sources[at.template]
    if (!sources) return
    if (sources.input && this.#input === '') await this.#readAll([], true)
    const known = {
      has: (index: number) => this.#stored.has(index),
      itemCount: (group: number) => this.itemCount(group),
    }
    for (;;) {
      const unknown = unknownIndices(this.#graph, at, sources, known)
      if (unknown.length === 0) return
      await this.#readAll(unknown)
    }
  }

  async #readAll(indices: readonly number[], withInput = false): Promise<void> {
    if (indices.length === 0 && !withInput) return
    const { values, input } = await this.#coordinator.readValues(
      this.#runId,
      this.#graph,
      indices,
      withInput,
    )
    await this.add(values, input)
  }
}

function outcomeOf(
  { index, state: letter, payload }: StoredValue,
  isGroup: boolean,
): NodeOutcome | undefined {
  const state = letter === '' ? 'pending' : nodeState(letter)
  if (!isFinalNodeState(state)) return undefined
  const text = isGroup ? failureOfGroup(payload) : payload
  if (text === null || text === '') return { state }
  if (state === 'succeeded') {
    return { state, value: fromJsonText(text, `the result of node ${index}`) }
  }
  const failure = failureOfEntry(readLogLine(text, 0))
  return failure ? { state, failure } : { state }
}

/** A group has no value of its own, only a count, and the failure that made it fail. */
function failureOfGroup(payload: string | null): string {
  return payload?.slice(payload.indexOf('|') + 1) ?? ''
}
