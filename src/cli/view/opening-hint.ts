import type { QueuedRun } from '../../producer/queued-run.ts'
import type { RunHandle } from '../../producer/run-handle.ts'

/**
 * Why a run has not begun; null once it has.
 *
 * @throws RepriseError `unknown_run` when there is no such run
 */
export async function openingHint(run: RunHandle, queue = 'default'): Promise<string | null> {
  if (await run.read()) return null
  const state = await run.state()
  const isQueued = state === 'scheduled' || state === 'waiting' || state === 'queued'
  return isQueued ? queuedText({ id: run.id, state, queue }) : null
}

/** Why a run has not begun. */
export function queuedText({
  id,
  state,
  queue,
}: Pick<QueuedRun, 'id' | 'state' | 'queue'>): string {
  switch (state) {
    case 'scheduled':
      return `run ${id} is scheduled: its delay is not over`
    case 'waiting':
      return `run ${id} waits: no worker that serves the queue ${queue} knows its flow yet`
    case 'queued':
      return `run ${id} is queued: no worker has taken it yet (queue ${queue})`
  }
}
