import { DefinitionError } from '../core/errors.ts'
import type { Build } from './build.ts'
import type { GraphNode, WorkNode } from './graph.ts'
import { isFast, type Trigger, thresholdOf, triggerText, waitsForFailure } from './trigger.ts'
import { settledNode } from './upstreams.ts'

/**
 * Checks a node that runs also when something failed or was skipped. What it uses must have a value in every case, and
 * its trigger must be able to fire.
 *
 * @param call the call that took the node's options, for messages
 * @param data the nodes that its input and its condition use
 * @param after the nodes that it waits for only
 * @returns its upstreams: a `settled` stands for the node that it tells of
 * @throws DefinitionError that says what to do instead
 */
export function checkTrigger(
  { nodes, frame }: Build,
  call: string,
  reaction: Pick<WorkNode, 'trigger' | 'skipOnUpstreamSkip'>,
  data: readonly number[],
  after: readonly number[],
): number[] {
  const { trigger } = reaction
  const refuse = (problem: string): never => {
    const skips = trigger === 'all_success' ? 'skipOnUpstreamSkip: false' : triggerOption(trigger)
    throw new DefinitionError(`${call}: ${skips}: ${problem}`)
  }
  const outside = [...data, ...after].find((index) => nodes[index]?.map !== frame.map)
  if (outside !== undefined) {
    refuse(
      `it waits for ${nodes[outside]?.key}, which is outside of the map, so the map waits for that as a whole. In a map, such a node can wait for and use what belongs to its item, and the run's input`,
    )
  }
  const mayLack = data
    .map((index) => nodes[index])
    .find((node) => isFast(trigger) || (node && mayLackValue(nodes, node)))
  if (mayLack) {
    refuse(
      isFast(trigger)
        ? `the input uses ${mayLack.key}, which need not have ended then. Wait for it with after: [ref], and use nothing but the run's input`
        : `the input uses ${mayLack.key}, which may have no value then. Wait for it with after: [ref], and pass settled(ref) if its outcome is needed`,
    )
  }
  const upstreams = new Set([...data, ...after].map((index) => settledNode(nodes, index)))
  if (upstreams.size === 0) {
    refuse('expected a node in after: [...], got none: it has nothing to wait for')
  }
  if (waitsForFailure(trigger) && ![...upstreams].some((index) => mayFail(nodes[index]))) {
    refuse('expected a node in after: [...] that can fail, got none: it would never start')
  }
  const problem = countProblem(reaction, upstreams.size)
  if (problem) refuse(problem)
  return [...upstreams].sort((a, b) => a - b)
}

function triggerOption(trigger: Trigger): string {
  return `trigger: ${triggerText(trigger)}`
}

/** A trigger that could never fire, or that skips would stop although it is about skips. */
function countProblem(
  { trigger, skipOnUpstreamSkip }: Pick<WorkNode, 'trigger' | 'skipOnUpstreamSkip'>,
  upstreams: number,
): string | null {
  if (skipOnUpstreamSkip && isFast(trigger)) {
    return 'expected no skipOnUpstreamSkip: a fast trigger does not wait for skips that are still to come'
  }
  if (skipOnUpstreamSkip && trigger === 'all_skipped') {
    return 'expected no skipOnUpstreamSkip: it would never start'
  }
  if (typeof trigger === 'string' || trigger.kind === 'at_most') return null
  return thresholdOf(trigger, upstreams) > upstreams
    ? `expected ${trigger.count} upstreams or more, got ${upstreams}: it would never start`
    : null
}

function mayLackValue(nodes: readonly GraphNode[], { kind, upstreams }: GraphNode): boolean {
  // What is left of a group that failed is nothing; what is left of its outcomes is a list.
  if (kind === 'succeeded') return nodes[upstreams[0] ?? -1]?.kind === 'group'
  return kind === 'task' || kind === 'run' || kind === 'gate' || kind === 'group' || kind === 'item'
}

function mayFail(node: GraphNode | undefined): boolean {
  return node !== undefined && node.kind !== 'gate' && node.kind !== 'settled'
}
