import type { NodeState } from '../core/states.ts'
import type { Drawing, DrawnNode } from './drawing.ts'
import { STATE_COLORS } from './state-colors.ts'

/** The drawing as a Mermaid flowchart, which GitHub and many editors show. */
export function renderMermaid({ title, nodes, edges }: Drawing): string {
  const states = new Set(nodes.flatMap(({ state }) => (state === null ? [] : [state])))
  const lines = [
    '---',
    `title: ${JSON.stringify(title)}`,
    '---',
    'flowchart TD',
    ...nodes.map((node, index) => `  n${index}${bracketed(node)}${classOf(node)}`),
    ...edges.map(({ from, to, isFailure }) => `  n${from} ${isFailure ? '-.->' : '-->'} n${to}`),
    ...[...states].map(classDefinition),
  ]
  return lines.join('\n')
}

function bracketed({ shape, lines }: DrawnNode): string {
  const label = `"${lines.map(escapeLabel).join('<br/>')}"`
  switch (shape) {
    case 'task':
      return `[${label}]`
    case 'run':
      return `[[${label}]]`
    case 'mark':
      return `([${label}])`
  }
}

/** Mermaid reads `#name;` in a label as a character. */
function escapeLabel(text: string): string {
  return text
    .replaceAll('#', '#35;')
    .replaceAll('"', '#quot;')
    .replaceAll('<', '#lt;')
    .replaceAll('>', '#gt;')
}

function classOf({ state }: DrawnNode): string {
  return state === null ? '' : `:::${state}`
}

function classDefinition(state: NodeState): string {
  const { fill, line, text } = STATE_COLORS[state]
  return `  classDef ${state} fill:${fill},stroke:${line},color:${text}`
}
