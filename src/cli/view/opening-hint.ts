import type { RunHandle } from '../../producer/run-handle.ts'

/**
 * Why a run has not begun; null once it has.
 *
 * @throws RepriseError `unknown_run` when there is no such run
 */
export async function openingHint(run: RunHandle, queue = 'default'): Promise<string | null> {
  if (await run.read()) return null
  const state = await run.state()
  switch (state) {
    case 'scheduled':
      return `run ${run.id} is scheduled: its delay is not over`
    case 'waiting':
      return `run ${run.id} waits: no worker that serves the queue ${queue} knows its flow yet`
    case 'queued':
      return `run ${run.id} is queued: no worker has taken it yet (queue ${queue})`
    default:
      return null
  }
}
