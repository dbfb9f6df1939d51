import type { RunSnapshot } from '../coordinator/run-snapshot.ts'
import { fromJsonText } from '../core/json.ts'
import type { Rerun } from '../core/lineage.ts'
import type { StoredRunOptions } from './envelope.ts'

/**
 * The options of a rerun: those of the run that it repeats, and the record of how it does.
 *
 * @param text the stored options of that run, JSON
 * @param delayMs before an automatic retry
 */
export function rerunOptions(
  text: string,
  run: Pick<RunSnapshot, 'id' | 'rootId' | 'rerun'>,
  { by, strategy }: Pick<Rerun, 'by' | 'strategy'>,
  delayMs = 0,
): string {
  const { rerun } = run
  const isRetry = by === 'retry'
  const record: Rerun = {
    of: run.id,
    rootId: run.rootId,
    strategy,
    by,
    retryNumber: (rerun?.retryNumber ?? 0) + (isRetry ? 1 : 0),
    delays: [...(rerun?.delays ?? []), ...(isRetry ? [delayMs] : [])],
    ...(rerun?.repeated && { repeated: rerun.repeated }),
  }
  // Trust border: they were checked before they were stored.
  const options = (text === '' ? {} : fromJsonText(text, "the run's options")) as StoredRunOptions
  return JSON.stringify({ ...options, rerun: record })
}
