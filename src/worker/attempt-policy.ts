import type { NodePolicies } from '../flow/flow-definition.ts'
import { brokenPolicy } from '../strategies/define-policy.ts'
import type { Policy } from '../strategies/policy-types.ts'
import { choosePolicy } from '../strategies/precedence.ts'
import type { RetryOption } from '../strategies/shorthand.ts'
import type { Attempt, AttemptSurroundings } from './attempt.ts'
import type { WorkerSettings } from './options.ts'

/** The policy with its plug-ins found, or the name of one that is not. One whose options don't fit shows it when it is asked: the task runs all the same. */
export function bindPolicy(
  { policies }: AttemptSurroundings,
  policy: Policy | null,
): { readonly policy: Policy | null } | { readonly missing: string } {
  try {
    return policy === null ? { policy } : policies.bind(policy)
  } catch (cause) {
    return { policy: brokenPolicy(cause) }
  }
}

/** The policy that counts for a node (precedence.ts). */
export function policyFor(
  settings: WorkerSettings,
  { options, template }: Attempt,
  { retry, flowRetry }: NodePolicies,
  taskRetry?: RetryOption,
): Policy | null {
  return choosePolicy({
    enqueue: options.nodes?.[template.key]?.retry ?? options.retry,
    node: retry,
    task: taskRetry,
    flow: flowRetry,
    worker: settings.defaultRetry,
  })
}
