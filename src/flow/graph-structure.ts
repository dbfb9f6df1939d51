import { bodyProblems } from './body-structure.ts'
import { type Graph, type GraphNode, MAX_UPSTREAMS } from './graph.ts'
import { MAX_INSTANCES, possibleInstances } from './instances.ts'
import { isNodeKey } from './names.ts'
import { isSettledList } from './settled-list.ts'
import { problemsOfSources, sourceProblem } from './source-structure.ts'
import { sourcesOf } from './templates.ts'

/** What is wrong with a graph whose parts have the right form; empty for one that can run. */
export function structureProblems(graph: Graph): string[] {
  const order = problemsOf(graph.nodes, orderProblems)
  // The other checks follow the nodes back to those that come before them.
  return order.length > 0 ? order : contentProblems(graph)
}

function contentProblems({ nodes, output, succeedsWhen = [] }: Graph): string[] {
  return [
    ...repeatedKeys(nodes),
    ...check(
      possibleInstances(nodes) <= MAX_INSTANCES,
      `its maps could have ${possibleInstances(nodes)} items; ${MAX_INSTANCES} are possible`,
    ),
    ...problemsOf(nodes, bodyProblems),
    ...problemsOf(nodes, kindProblems),
    ...problemsOf(nodes, problemsOfSources),
    ...[...sourcesOf(output)].flatMap((source) => {
      const problem = sourceProblem(nodes, source, undefined)
      return problem === null ? [] : [`output: ${problem}`]
    }),
    ...succeedsWhen
      .filter((index) => nodes[index] === undefined || nodes[index].map !== undefined)
      .map((index) => `succeedsWhen: names node ${index} of ${nodes.length}`),
  ]
}

function problemsOf(
  nodes: readonly GraphNode[],
  find: (nodes: readonly GraphNode[], node: GraphNode, index: number) => string[],
): string[] {
  return nodes.flatMap((node, index) =>
    find(nodes, node, index).map((problem) => `${node.key}: ${problem}`),
  )
}

function orderProblems(nodes: readonly GraphNode[], node: GraphNode, index: number): string[] {
  const { map, upstreams } = node
  return [
    ...check(
      upstreams.every((upstream) => upstream < index),
      'has an upstream that does not come before it',
    ),
    ...check(new Set(upstreams).size === upstreams.length, 'has an upstream twice'),
    ...check(
      upstreams.length <= MAX_UPSTREAMS,
      `has ${upstreams.length} upstreams; ${MAX_UPSTREAMS} are possible`,
    ),
    ...check(
      map === undefined || (map < index && nodes[map]?.kind === 'map'),
      `is in the body of node ${map}, which is no map that comes before it`,
    ),
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

function kindProblems(nodes: readonly GraphNode[], node: GraphNode): string[] {
  const { upstreams } = node
  switch (node.kind) {
    case 'task':
    case 'run':
      return [
        ...ascendingProblems(upstreams),
        ...check(
          node.trigger === 'all_success' || upstreams.length > 0,
          'has a trigger but no upstreams',
        ),
      ]
    case 'map':
      return ascendingProblems(upstreams)
    case 'item':
      return [
        ...ascendingProblems(upstreams),
        ...check(upstreams.length > 0, 'expected one upstream or more'),
      ]
    case 'gate':
    case 'settled':
      return [
        ...check(upstreams.length === 1, 'expected one upstream'),
        ...pathProblems(upstreams, node.paths),
      ]
    case 'succeeded':
      return check(
        upstreams.length === 1 && !node.paths && isSettledList(nodes, upstreams[0] ?? -1),
        'expected one upstream, the settled items of a map',
      )
    case 'join':
    case 'first':
      return [
        ...check(upstreams.length >= 2, 'expected two upstreams or more'),
        ...pathProblems(upstreams, node.paths),
      ]
    case 'group':
      return []
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

function ascendingProblems(indices: readonly number[]): string[] {
  return check(
    indices.every((index, position) => position === 0 || (indices[position - 1] ?? -1) < index),
    'has upstreams that are not ascending',
  )
}

function check(holds: boolean, problem: string): string[] {
  return holds ? [] : [problem]
}
