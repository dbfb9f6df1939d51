import type { Failure } from '../core/failure.ts'
import { fromJsonText, type Json } from '../core/json.ts'
import { isFinalNodeState } from '../core/states.ts'
import type { Template } from '../flow/graph.ts'
import { resolveTemplate } from '../flow/templates.ts'
import { type NodeOutcome, nodeValue } from '../flow/values.ts'
import type { RedisConnection } from './connection.ts'
import type { ShardKeys } from './keys.ts'
import { failureOfEntry } from './run-record.ts'
import type { NodeSnapshot, RunSnapshot } from './run-snapshot.ts'

/** What a node got and gave, as JSON. */
export interface NodeValues {
  /** Its raw input, put together from the results of its upstreams; undefined while (or since) it could not start. */
  readonly input: Json | undefined
  /** Its value; undefined unless it succeeded. */
  readonly output: Json | undefined
}

/** Reads the output of an ended run: its flow's output template, filled in with stored results. */
export async function readOutput(
  redis: RedisConnection,
  keys: ShardKeys,
  run: RunSnapshot,
): Promise<Json | undefined> {
  if (!run.graph) return undefined
  const { graph, outputNeeds } = run.graph
  return await fillIn(redis, keys, run, graph.output, outputNeeds)
}

/** Reads what the node with this index got and gave. */
export async function readNodeValues(
  redis: RedisConnection,
  keys: ShardKeys,
  run: RunSnapshot,
  index: number,
): Promise<NodeValues> {
  const node = run.graph?.graph.nodes[index]
  const state = run.nodes[index]
  if (!run.graph || !node || !state) return { input: undefined, output: undefined }
  const needs = run.graph.needs[index] ?? ''
  const ownNeeds = node.kind === 'task' || needs === '' ? String(index) : `${needs},${index}`
  const [input, output] = await Promise.all([
    node.kind === 'task' && couldStart(state)
      ? fillIn(redis, keys, run, node.input, needs)
      : undefined,
    state.state === 'succeeded'
      ? fillIn(redis, keys, run, { ref: index, path: [] }, ownNeeds)
      : undefined,
  ])
  return { input, output }
}

function couldStart({ state, attempts }: NodeSnapshot): boolean {
  if (attempts > 0) return true
  return state === 'ready' || state === 'waiting' || state === 'failed'
}

/** Replaces the Refs of a template by what is stored; `needs` says what that is, as `CompiledGraph.needs` does. */
async function fillIn(
  redis: RedisConnection,
  keys: ShardKeys,
  run: RunSnapshot,
  template: Template,
  needs: string,
): Promise<Json | undefined> {
  const graph = run.graph?.graph
  if (!graph) return undefined
  const indices = needs.split(',').filter((need) => need !== '' && need !== 'i')
  const texts = indices.length === 0 ? [] : await redis.hmget(keys.out(run.id), ...indices)
  const results = new Map(indices.map((index, i) => [Number(index), texts[i] ?? null]))
  const outcome = (index: number) => outcomeOf(run, index, results.get(index) ?? null)
  return resolveTemplate(template, (ref) =>
    ref === 'input' ? run.input : nodeValue(graph, ref, outcome),
  )
}

function outcomeOf(run: RunSnapshot, index: number, text: string | null): NodeOutcome | undefined {
  const node = run.nodes[index]
  if (!node || !isFinalNodeState(node.state)) return undefined
  const { state } = node
  if (state === 'succeeded') {
    return text === null
      ? { state }
      : { state, value: fromJsonText(text, `the result of ${node.key}`) }
  }
  const failure = failureOf(run, node)
  return failure ? { state, failure } : { state }
}

function failureOf(run: RunSnapshot, node: NodeSnapshot): Failure | null {
  const culprit =
    node.causedBy === null ? node : run.nodes.find((other) => other.key === node.causedBy)
  const last = culprit?.log.at(-1)
  return last ? failureOfEntry(last) : null
}
