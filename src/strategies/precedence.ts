import type { Policy } from './policy-types.ts'
import { type RetryOption, toPolicy } from './shorthand.ts'

/** Where a node's policy can be given, in the order in which they are asked. */
export interface PolicyLayers {
  /** Given when the run was enqueued. */
  readonly enqueue?: RetryOption | null | undefined
  /** Given to the node by `.with()`. */
  readonly node?: RetryOption | null | undefined
  readonly task?: RetryOption | null | undefined
  readonly flow?: RetryOption | null | undefined
  /** The worker's default. */
  readonly worker?: RetryOption | null | undefined
}

/**
 * The first policy that is set. It is taken whole, never merged with another; `false`, `0` and `policy.none()` are
 * set, `undefined` and `null` are not.
 *
 * @returns null when none is set
 * @throws DefinitionError when the one that is set is no policy
 */
export function choosePolicy(layers: PolicyLayers): Policy | null {
  const chosen = layers.enqueue ?? layers.node ?? layers.task ?? layers.flow ?? layers.worker
  return chosen === undefined || chosen === null ? null : toPolicy(chosen)
}
