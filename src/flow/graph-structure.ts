import { type Graph, type GraphNode, MAX_UPSTREAMS, type TaskNode } from './graph.ts'
import { isNodeKey } from './names.ts'
import { nodesOf } from './templates.ts'
import { countsWhatIsSettled, settledNode } from './upstreams.ts'

/** What is wrong with a graph whose parts have the right form; empty for one that can run. */
export function structureProblems(graph: Graph): string[] {
  const count = graph.nodes.length
  return [
    ...repeatedKeys(graph.nodes),
    ...graph.nodes.flatMap((node, index) => nodeProblems(graph.nodes, node, index)),
    ...nodesOf(graph.output)
      .filter((source) => source >= count)
      .map((source) => `output: refers to node ${source} of ${count}`),
    ...(graph.succeedsWhen ?? [])
      .filter((index) => index >= count)
      .map((index) => `succeedsWhen: names node ${index} of ${count}`),
  ]
}

function repeatedKeys(nodes: readonly GraphNode[]): string[] {
  const seen = new Set<string>()
  return nodes.flatMap(({ key }) => {
    if (seen.has(key)) return [`${key}: is the key of two nodes`]
    seen.add(key)
    return isNodeKey(key) ? [] : [`${key}: is no node key`]
  })
}

function nodeProblems(nodes: readonly GraphNode[], node: GraphNode, index: number): string[] {
  const problems = [
    ...check(
      node.upstreams.every((upstream) => upstream < index),
      'has an upstream that does not come before it',
    ),
    ...check(new Set(node.upstreams).size === node.upstreams.length, 'has an upstream twice'),
    ...check(
      node.upstreams.length <= MAX_UPSTREAMS,
      `has ${node.upstreams.length} upstreams; ${MAX_UPSTREAMS} are possible`,
    ),
    ...kindProblems(nodes, node),
  ]
  return problems.map((problem) => `${node.key}: ${problem}`)
}

function kindProblems(nodes: readonly GraphNode[], node: GraphNode): string[] {
  switch (node.kind) {
    case 'task':
      return [
        ...check(isAscending(node.upstreams), 'has upstreams that are not ascending'),
        ...check(
          waitsForSources(nodes, node),
          'has an input from a node that is not among its upstreams',
        ),
        ...check(
          node.trigger === 'all_success' || node.upstreams.length > 0,
          'has a trigger but no upstreams',
        ),
      ]
    case 'gate':
    case 'settled':
      return [
        ...check(node.upstreams.length === 1, 'expected one upstream'),
        ...pathProblems(node.upstreams, node.paths),
      ]
    case 'join':
    case 'first':
      return [
        ...check(node.upstreams.length >= 2, 'expected two upstreams or more'),
        ...pathProblems(node.upstreams, node.paths),
      ]
  }
}

/** What its input and its condition use is an upstream, or, under a trigger, tells of one. */
function waitsForSources(nodes: readonly GraphNode[], node: TaskNode): boolean {
  const sources = [...nodesOf(node.input), ...(node.if ? nodesOf(node.if) : [])]
  const waitsFor = (index: number) => node.upstreams.includes(index)
  const tellsOfOne = (source: number) =>
    countsWhatIsSettled(node) && waitsFor(settledNode(nodes, source))
  return sources.every((source) => waitsFor(source) || tellsOfOne(source))
}

function pathProblems(
  upstreams: readonly number[],
  paths: readonly unknown[] | undefined,
): string[] {
  return check(
    paths === undefined || paths.length === upstreams.length,
    'expected one path for each upstream',
  )
}

function isAscending(indices: readonly number[]): boolean {
  return indices.every((index, position) => position === 0 || (indices[position - 1] ?? -1) < index)
}

function check(holds: boolean, problem: string): string[] {
  return holds ? [] : [problem]
}
