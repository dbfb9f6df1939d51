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

/** The values that a delivery's nodes need: read from a claim's answer, each parsed once. */
export class RunValues {
  readonly #graph: CompiledGraph
  readonly #input: string
  readonly #stored: ReadonlyMap<number, StoredValue>
  readonly #outcomes = new Map<number, NodeOutcome>()
  #parsedInput: Json | undefined

  private constructor(graph: CompiledGraph, input: string, stored: Map<number, StoredValue>) {
    this.#graph = graph
    this.#input = input
    this.#stored = stored
  }

  /** Takes the values of a claim and reads apart those that were too large to come with it (R25). */
  static async of(
    coordinator: Coordinator,
    runId: string,
    graph: CompiledGraph,
    claim: { readonly input: string; readonly values: readonly StoredValue[] },
  ): Promise<RunValues> {
    const stored = new Map(claim.values.map((value) => [value.index, value]))
    const missing = claim.values.filter((value) => value.payload === null)
    if (missing.length > 0) {
      const texts = await coordinator.readResults(
        runId,
        missing.map(({ index }) => index),
      )
      for (const value of missing) {
        stored.set(value.index, { ...value, payload: texts.get(value.index) ?? null })
      }
    }
    return new RunValues(graph, claim.input, stored)
  }

  /** Fills in a template, such as a node's input. */
  resolve(template: Template): Json | undefined {
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
