import type { LoggedAttempt } from '../coordinator/run-record.ts'
import type { TaskNode } from '../flow/graph.ts'
import type { TaskDefinition } from '../flow/task-definition.ts'
import { quote } from '../strategies/option-schemas.ts'
import { isLockKey, LOCK_KEY } from '../strategies/place.ts'

/**
 * The lock that an attempt needs: that of the last decision that named one, else the node's own, else its task's.
 *
 * @param history the node's ended attempts since it was last retried by hand, oldest first
 * @param input the parsed input
 * @returns null if it needs none
 * @throws what the task's function throws; a TypeError if it gives no key
 */
export function lockKeyOf(
  node: TaskNode,
  task: TaskDefinition,
  history: readonly LoggedAttempt[],
  input: unknown,
): string | null {
  const decided = history.findLast(({ decision }) => lockOf(decision) !== undefined)
  if (decided) return lockOf(decided.decision) ?? null
  const lock = node.lock ?? task.lock ?? null
  if (typeof lock !== 'function') return lock
  // Trust border: the compiler has checked that the function takes what the schema gives.
  const key = lock(input as never)
  if (isLockKey(key)) return key
  throw new TypeError(
    `lock(input) of the task ${task.name}: expected ${LOCK_KEY}, got ${quote(key)}`,
  )
}

function lockOf(decision: LoggedAttempt['decision']): string | null | undefined {
  return decision?.action === 'retry' ? decision.lock : undefined
}
