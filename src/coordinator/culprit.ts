import type { NodeSnapshot, RunSnapshot } from './run-snapshot.ts'

/** The node that made a run fail: the first of {@link culpritsOf}. */
export function culpritOf(run: RunSnapshot): NodeSnapshot | undefined {
  return culpritsOf(run)[0]
}

/**
 * The nodes that made a run fail, in the order of their ends: those that failed and were not made up for; or those that
 * made others fail for which nothing did.
 */
export function culpritsOf({ nodes, graph }: RunSnapshot): NodeSnapshot[] {
  const named = graph?.graph.succeedsWhen
  const decisive = named ? nodes.filter(({ index }) => named.includes(index)) : nodes
  const unforgiven = decisive.filter(({ forgiven }) => !forgiven)
  const failed = unforgiven.filter(({ state }) => state === 'failed')
  const causes = new Set(unforgiven.flatMap((node) => node.causes))
  const found = failed.length > 0 ? failed : nodes.filter(({ key }) => causes.has(key))
  return found.sort((a, b) => (a.endedAt ?? 0) - (b.endedAt ?? 0))
}
