import type { RedisConnection } from '../coordinator/connection.ts'
import { liveWorkers, type WorkerAnnouncement } from '../coordinator/fleet.ts'
import type { ShardKeys } from '../coordinator/keys.ts'
import { RepriseError } from '../core/errors.ts'

/** The names that a run needs somebody to know. */
export interface NeededNames {
  readonly kind: 'flow' | 'task'
  readonly name: string
  /** Retry-policy plug-ins. */
  readonly policies: readonly string[]
}

/**
 * Refuses a run that no live worker could execute. Several workers may know the names between them.
 *
 * @throws RepriseError (`no_worker`) that lists the names that are known
 */
export async function checkWorkers(
  redis: RedisConnection,
  keys: ShardKeys,
  { kind, name, policies }: NeededNames,
): Promise<void> {
  const workers = await liveWorkers(redis, keys)
  const targets = namesOf(workers, ({ flows, tasks }) =>
    kind === 'flow' ? Object.keys(flows) : tasks,
  )
  if (!targets.has(name)) throw nobodyKnows(kind, name, targets, workers.length)
  const plugins = namesOf(workers, (worker) => Object.keys(worker.policies))
  for (const policy of policies) {
    if (!plugins.has(policy)) throw nobodyKnows('policy', policy, plugins, workers.length)
  }
}

function namesOf(
  workers: readonly WorkerAnnouncement[],
  read: (worker: WorkerAnnouncement) => readonly string[],
): Set<string> {
  return new Set(workers.flatMap(read))
}

function nobodyKnows(kind: string, name: string, known: Set<string>, live: number): RepriseError {
  const list = [...known].join(', ') || 'none'
  return new RepriseError(
    'no_worker',
    `the run was not enqueued: no live worker knows the ${kind} ${name}; known: ${list} (live workers: ${live})`,
  )
}
