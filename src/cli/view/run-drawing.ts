import type { NodeSnapshot, RunSnapshot } from '../../coordinator/run-snapshot.ts'
import type { NodeState } from '../../core/states.ts'
import { type Drawing, drawRun, type NodeNote } from '../../drawing/drawing.ts'
import type { CompiledGraph } from '../../flow/compile.ts'
import { templateOf } from '../../flow/instances.ts'
import { durationText } from './duration-text.ts'
import { attemptsText, stateSymbol, stateText } from './node-state.ts'

/**
 * The drawing of a run: its graph, with the state, attempts and times of each node; of what a map repeats, how many of
 * its items are in which state.
 *
 * @param now epoch ms
 */
export function runDrawing(
  run: RunSnapshot & { readonly graph: CompiledGraph },
  now: number,
): Drawing {
  const time = durationText((run.endedAt ?? now) - run.openedAt)
  const title = `${run.flow}  ${run.id}  ${run.state}  ${time}`
  const { nodes } = run.graph.graph
  const instances = nodes.map((): NodeSnapshot[] => [])
  for (const node of run.nodes) instances[templateOf(node.index)]?.push(node)
  return drawRun(run.graph.graph, title, (index) => {
    const [node, ...others] = instances[index] ?? []
    if (nodes[index]?.map !== undefined) return noteOfItems(node ? [node, ...others] : [])
    return node ? noteOf(node, now) : { state: 'pending', text: '' }
  })
}

function noteOf(node: NodeSnapshot, now: number): NodeNote {
  const parts = [stateText(node, now)]
  const attempts = attemptsText(node)
  if (node.attempts > 1 || attempts.includes('/')) parts.push(`attempt ${attempts}`)
  const { startedAt, endedAt } = node
  if (startedAt !== null && (node.state === 'running' || endedAt !== null)) {
    parts.push(durationText((endedAt ?? now) - startedAt))
  }
  return { state: node.state, text: `${stateSymbol(node.state)} ${parts.join(', ')}` }
}

/** What is worth seeing of many items comes first. */
const BY_INTEREST: readonly NodeState[] = [
  ...(['failed', 'upstream_failed', 'running', 'retrying', 'waiting'] as const),
  ...(['ready', 'pending', 'cancelled', 'succeeded', 'skipped'] as const),
]

function noteOfItems(items: readonly NodeSnapshot[]): NodeNote {
  const counts = BY_INTEREST.flatMap((state) => {
    const count = items.filter((item) => item.state === state).length
    return count === 0 ? [] : [{ state, text: `${count} ${stateSymbol(state)} ${state}` }]
  })
  const [first] = counts
  return first
    ? { state: first.state, text: counts.map(({ text }) => text).join(', ') }
    : { state: 'pending', text: 'no items' }
}
