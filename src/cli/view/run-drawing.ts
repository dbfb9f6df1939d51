import type { NodeSnapshot, RunSnapshot } from '../../coordinator/run-snapshot.ts'
import { type Drawing, drawRun, type NodeNote } from '../../drawing/drawing.ts'
import type { CompiledGraph } from '../../flow/compile.ts'
import { durationText } from './duration-text.ts'
import { attemptsText, stateSymbol, stateText } from './node-state.ts'

/**
 * The drawing of a run: its graph, with the state, attempts and times of each node.
 *
 * @param now epoch ms
 */
export function runDrawing(
  run: RunSnapshot & { readonly graph: CompiledGraph },
  now: number,
): Drawing {
  const time = durationText((run.endedAt ?? now) - run.openedAt)
  const title = `${run.flow}  ${run.id}  ${run.state}  ${time}`
  const notes = run.nodes.map((node) => noteOf(node, now))
  return drawRun(run.graph.graph, title, (index) => notes[index] ?? { state: 'pending', text: '' })
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
