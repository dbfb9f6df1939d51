import { Runs } from '../runs/runs.ts'
import type { GlobalOptions } from './global-options.ts'

/**
 * Lends a connected reader of runs for one piece of work, and closes it.
 *
 * @throws RepriseError (`redis`) when Redis does not answer within 5 seconds
 */
export async function withRuns<T>(
  { redis, namespace }: Pick<GlobalOptions, 'redis' | 'namespace'>,
  work: (runs: Runs) => Promise<T>,
): Promise<T> {
  const runs = new Runs({ redis, namespace })
  try {
    await runs.ready()
    return await work(runs)
  } finally {
    await runs.close()
  }
}
