import type { Graph, GraphNode, Template } from './graph.ts'
import { isNodeKey } from './names.ts'
import { sourcesOf } from './templates.ts'

/** What is wrong with a graph whose parts have the right form; empty for one that can run. */
export function structureProblems(graph: Graph): string[] {
  const count = graph.nodes.length
  return [
    ...repeatedKeys(graph.nodes),
    ...graph.nodes.flatMap((node, index) => nodeProblems(node, index)),
    ...nodeSources(graph.output)
      .filter((source) => source >= count)
      .map((source) => `output: refers to node ${source} of ${count}`),
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

function nodeProblems(node: GraphNode, index: number): string[] {
  const problems = [
    ...check(
      node.upstreams.every((upstream) => upstream < index),
      'has an upstream that does not come before it',
    ),
    ...check(new Set(node.upstreams).size === node.upstreams.length, 'has an upstream twice'),
    ...kindProblems(node),
  ]
  return problems.map((problem) => `${node.key}: ${problem}`)
}

function kindProblems(node: GraphNode): string[] {
  switch (node.kind) {
    case 'task':
      return [
        ...check(isAscending(node.upstreams), 'has upstreams that are not ascending'),
        ...check(
          nodeSources(node.input).every((source) => node.upstreams.includes(source)),
          'has an input from a node that is not among its upstreams',
        ),
        ...check(
          node.trigger === 'all_success' || node.upstreams.length > 0,
          'waits for a failure but has no upstreams',
        ),
      ]
    case 'gate':
    case 'settled':
      return [
        ...check(node.upstreams.length === 1, 'expected one upstream'),
        ...pathProblems(node.upstreams, node.paths),
      ]
    case 'join':
      return [
        ...check(node.upstreams.length >= 2, 'expected two upstreams or more'),
        ...pathProblems(node.upstreams, node.paths),
      ]
  }
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

function nodeSources(template: Template): number[] {
  return [...sourcesOf(template)].filter((source) => source !== 'input')
}

function isAscending(indices: readonly number[]): boolean {
  return indices.every((index, position) => position === 0 || (indices[position - 1] ?? -1) < index)
}

function check(holds: boolean, problem: string): string[] {
  return holds ? [] : [problem]
}
