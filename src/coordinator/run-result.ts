import type { Failure } from '../core/failure.ts'
import { fromJsonText, type Json } from '../core/json.ts'
import { isFinalNodeState } from '../core/states.ts'
import { resolveTemplate } from '../flow/templates.ts'
import { type NodeOutcome, nodeValue } from '../flow/values.ts'
import type { RedisConnection } from './connection.ts'
import type { ShardKeys } from './keys.ts'
import { failureOfEntry } from './run-record.ts'
import type { NodeSnapshot, RunSnapshot } from './run-snapshot.ts'

/** Reads the output of an ended run: its flow's output template, filled in with stored results. */
export async function readResult(
  redis: RedisConnection,
  keys: ShardKeys,
  run: RunSnapshot,
): Promise<Json | undefined> {
  if (!run.graph) return undefined
  const { graph, outputNeeds } = run.graph
  const needs = outputNeeds === '' ? [] : outputNeeds.split(',')
  const indices = needs.filter((need) => need !== 'i')
  const [texts, input] = await Promise.all([
    indices.length === 0 ? [] : redis.hmget(keys.out(run.id), ...indices),
    needs.includes('i') ? redis.hget(keys.run(run.id), 'i') : null,
  ])
  const results = new Map(indices.map((index, i) => [Number(index), texts[i] ?? null]))
  const outcome = (index: number) => outcomeOf(run, index, results.get(index) ?? null)
  return resolveTemplate(graph.output, (ref) =>
    ref === 'input' ? readInput(input) : nodeValue(graph, ref, outcome),
  )
}

function readInput(text: string | null): Json | undefined {
  return text === null ? undefined : fromJsonText(text, "the run's input")
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
