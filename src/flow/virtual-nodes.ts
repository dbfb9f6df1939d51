import { DefinitionError } from '../core/errors.ts'
import { quote } from '../strategies/option-schemas.ts'
import { addNode, type Build } from './build.ts'
import type { Path, Source, VirtualNode } from './graph.ts'
import { VIRTUAL_MARK } from './names.ts'
import { takeFreeKey } from './node-keys.ts'
import { ownTarget, refTarget } from './refs.ts'

/** A part of one node's value. */
export interface NodePoint {
  readonly node: number
  readonly path: Path
}

/**
 * The one node that a Ref points to.
 *
 * @param what the argument, for messages
 * @throws DefinitionError when there is none, or there are several
 */
export function nodePoint(ref: unknown, what: string, build: Build): NodePoint {
  const found = refTarget(ref)
  if (found === undefined) {
    ignoreRejection(ref)
    throw new DefinitionError(`${what}: expected a Ref to a node's value, got ${quote(ref)}`)
  }
  const { template, label } = ownTarget(found, what, build)
  if (template !== undefined && 'ref' in template && typeof template.ref === 'number') {
    if (build.nodes[template.ref]?.map === build.frame.map) {
      return { node: template.ref, path: template.path }
    }
    throw new DefinitionError(
      `${what}: Ref<${label}> comes from outside of the map, which starts when that has succeeded. Call this outside of the map and pass its result, or make a task inside that returns the value`,
    )
  }
  throw new DefinitionError(
    template !== undefined && 'ref' in template
      ? `${what}: expected a Ref to a node's value, got Ref<${label}>, ${partOfWhat(template.ref)}, which never fails`
      : `${what}: expected a Ref to the value of one node, got Ref<${label}>, which is put together in the build function. Pass the Ref of the node that can fail, and put the result together afterwards`,
  )
}

function partOfWhat(source: Source): string {
  return source === 'input' ? "a part of the run's input" : 'a part of the item that is mapped'
}

/**
 * Adds a node that no worker executes. Paths are stored only where one is needed.
 *
 * @param keyEnd ends its key
 */
export function addVirtualNode(
  build: Build,
  kind: VirtualNode['kind'],
  points: readonly NodePoint[],
  keyEnd = '',
): { readonly index: number; readonly key: string } {
  const key = takeFreeKey(build.keys, `${build.frame.prefix}${VIRTUAL_MARK}${kind}`, keyEnd)
  const upstreams = points.map((point) => point.node)
  const hasPaths = kind !== 'gate' && points.some((point) => point.path.length > 0)
  const index = addNode(build, {
    kind,
    key,
    upstreams,
    ...(hasPaths ? { paths: points.map((point) => point.path) } : {}),
  })
  return { index, key }
}

/** An async build or plan gives a promise, and its mistake is reported by our error: it must not end the process too. */
export function ignoreRejection(value: unknown): void {
  if (value instanceof Promise) value.catch(() => undefined)
}
