import type { FlowDefinition } from '../flow/flow-definition.ts'
import type { TaskDefinition } from '../flow/task-definition.ts'
import type { PolicyRegistry } from '../strategies/policy-registry.ts'
import { type RetryOption, toPolicy } from '../strategies/shorthand.ts'

/**
 * Checks the plug-ins that a worker's own code names: it could never run those nodes itself.
 *
 * @throws DefinitionError for a name that is not registered, or options that the plug-in's schema refuses
 */
export function checkPolicies(
  registry: PolicyRegistry,
  flows: readonly FlowDefinition[],
  tasks: readonly TaskDefinition[],
  defaultRetry: RetryOption | null,
): void {
  const check = (where: string, retry: RetryOption | null | undefined) => {
    if (retry !== undefined && retry !== null) {
      registry.check(toPolicy(retry, where), `worker options: ${where}`)
    }
  }
  check('defaults.retry', defaultRetry)
  for (const { name, retry } of tasks) check(`the task ${name}: retry`, retry)
  for (const { name, nodes } of flows) {
    for (const [key, node] of nodes) {
      check(`the flow ${name}: ${key}: retry`, node.retry ?? node.task.retry ?? node.flowRetry)
    }
  }
}
