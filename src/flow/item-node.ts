import { bodyUpstreams } from './bodies.ts'
import { addNode, type Build } from './build.ts'
import type { Template } from './graph.ts'
import { VIRTUAL_MARK } from './names.ts'
import { nodesOf } from './templates.ts'

/**
 * Ends the nodes of a mapped flow: the node whose end is that of an item. It is the one whose value is the output, if
 * nothing else of the flow is left to wait for; else one that is added.
 *
 * @param first the index of the flow's first node
 */
export function endOfItem(build: Build, first: number, output: Template): number {
  const used = bodyUpstreams(build, nodesOf(output))
  const ends = endsOf(build, first)
  const [only] = used
  const isWhole = 'ref' in output && output.ref === only && output.path.length === 0
  if (only !== undefined && isWhole && only >= first && ends.every((index) => index === only)) {
    return only
  }
  return addNode(build, {
    kind: 'item',
    key: `${build.frame.prefix}${VIRTUAL_MARK}item`,
    output,
    upstreams: [...new Set([...used, ...ends])].sort((a, b) => a - b),
  })
}

/** The nodes of the flow that no other one waits for. */
function endsOf({ nodes, frame }: Build, first: number): number[] {
  const own = [...nodes.keys()].slice(first).filter((index) => nodes[index]?.map === frame.map)
  const awaited = new Set(own.flatMap((index) => nodes[index]?.upstreams ?? []))
  return own.filter((index) => !awaited.has(index))
}
