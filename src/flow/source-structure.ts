import { isVisible, waitingMap } from './bodies.ts'
import { type GraphNode, isWorkNode, type Source, type Template } from './graph.ts'
import { mapOfSource, sourcesOf } from './templates.ts'
import { countsWhatIsSettled, settledNode } from './upstreams.ts'

/** What is wrong with what a node's templates refer to. */
export function problemsOfSources(
  nodes: readonly GraphNode[],
  node: GraphNode,
  index: number,
): string[] {
  const sources = templatesOf(node).flatMap((template) => [...sourcesOf(template)])
  const problems = sources.flatMap((source) => {
    const problem = sourceProblem(nodes, source, node.map) ?? waitProblem(nodes, node, source)
    return problem === null ? [] : [problem]
  })
  return [...new Set([...problems, ...itemKeyProblems(node, index)])]
}

/**
 * What is wrong with a source that is used in the body of that map, or outside of all maps if it is undefined; null if
 * it has one value there.
 */
export function sourceProblem(
  nodes: readonly GraphNode[],
  source: Source,
  map: number | undefined,
): string | null {
  const index = typeof source === 'number' ? source : (mapOfSource(source) ?? 0)
  if (index >= nodes.length) return `refers to node ${index} of ${nodes.length}`
  return isVisible(nodes, source, map) ? null : `refers to ${textOf(source)} inside of a map`
}

function textOf(source: Source): string {
  return typeof source === 'number' ? `node ${source}` : source
}

/** What a node uses is an upstream, or, under a trigger, tells of one; the map around waits for what is outside of it. */
function waitProblem(nodes: readonly GraphNode[], node: GraphNode, source: Source): string | null {
  if (typeof source !== 'number') return null
  const underTrigger = isWorkNode(node) && countsWhatIsSettled(node)
  if (nodes[source]?.map !== node.map) {
    const map = nodes[waitingMap(nodes, source, node.map) ?? -1]
    if (!underTrigger && map?.upstreams.includes(source)) return null
    return 'has an input from a node that the map around does not wait for'
  }
  const waitsFor = (index: number) => node.upstreams.some((upstream) => upstream === index)
  return waitsFor(source) || (underTrigger && waitsFor(settledNode(nodes, source)))
    ? null
    : 'has an input from a node that is not among its upstreams'
}

function itemKeyProblems(node: GraphNode, index: number): string[] {
  if (node.kind !== 'map' || node.itemKey === undefined) return []
  const own: readonly Source[] = [`item:${index}`, `index:${index}`]
  return [...sourcesOf(node.itemKey)].every((source) => own.includes(source))
    ? []
    : ['expected an item key that is made of the item and its index']
}

function templatesOf(node: GraphNode): Template[] {
  switch (node.kind) {
    case 'task':
    case 'run':
      return node.if === undefined ? [node.input] : [node.input, node.if]
    case 'map':
      return [node.items]
    case 'item':
      return [node.output]
    default:
      return []
  }
}
