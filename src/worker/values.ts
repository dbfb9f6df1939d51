import type { StoredValue } from '../coordinator/answers.ts'
import type { Coordinator } from '../coordinator/coordinator.ts'
import { failureOfEntry, readLogLine } from '../coordinator/run-record.ts'
import { nodeState } from '../coordinator/run-snapshot.ts'
import { fromJsonText, type Json } from '../core/json.ts'
import { isFinalNodeState } from '../core/states.ts'
import type { CompiledGraph } from '../flow/compile.ts'
import type { Template } from '../flow/graph.ts'
import { resolveTemplate } from '../flow/templates.ts'
import { type NodeOutcome, nodeValue } from '../flow/values.ts'

/** The values that a delivery's nodes need: from answers to claims and settles, each parsed once. */
export class RunValues {
  readonly #coordinator: Coordinator
  readonly #runId: string
  readonly #graph: CompiledGraph
  readonly #stored = new Map<number, StoredValue>()
  readonly #outcomes = new Map<number, NodeOutcome>()
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
    const needs = this.#graph.needs[index] ?? ''
    const isComplete =
      needs === '' ||
      needs
        .split(',')
        .every((need) => (need === 'i' ? this.#input !== '' : this.#stored.has(Number(need))))
    if (!isComplete) {
      const { values, input } = await this.#coordinator.readValues(
        this.#runId,
        this.#graph.hash,
        index,
      )
      await this.add(values, input)
    }
    return this.#resolve(template)
  }

  #resolve(template: Template): Json | undefined {
    return resolveTemplate(template, (ref) =>
      ref === 'input'
        ? this.#runInput()
        : nodeValue(this.#graph.graph, ref, (i) => this.#outcome(i)),
    )
  }

  #runInput(): Json | undefined {
    this.#parsedInput ??=
      this.#input === '' ? undefined : fromJsonText(this.#input, "the run's input")
    return this.#parsedInput
  }

  #outcome(index: number): NodeOutcome | undefined {
    const known = this.#outcomes.get(index)
    if (known) return known
    const value = this.#stored.get(index)
    const outcome = value && outcomeOf(value)
    if (outcome) this.#outcomes.set(index, outcome)
    return outcome
  }
}

function outcomeOf({ index, state: letter, payload }: StoredValue): NodeOutcome | undefined {
  const state = letter === '' ? 'pending' : nodeState(letter)
  if (!isFinalNodeState(state)) return undefined
  if (payload === null || payload === '') return { state }
  if (state === 'succeeded') {
    return { state, value: fromJsonText(payload, `the result of node ${index}`) }
  }
  const failure = failureOfEntry(readLogLine(payload, 0))
  return failure ? { state, failure } : { state }
}
