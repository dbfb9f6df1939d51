import type { ServerReport } from '../../coordinator/server-report.ts'

/** What a server that Reprise starts promises: see `serverFlags`. */
export const DURABLE = 'append-only file, synced every second'

/** What the server of `REDIS_URL` promises, as far as it tells. */
export function describeDurability(report: ServerReport): string {
  return report.isAppendOnly ? 'append-only file' : 'no append-only file'
}

/** What a user must know of the server of `REDIS_URL`, which Reprise does not configure. */
export function durabilityNotices(report: ServerReport): string[] {
  const notices: string[] = []
  if (!report.isAppendOnly) {
    notices.push(
      'this Redis keeps no append-only file: runs may be lost when it restarts. ' +
        'Turn it on with: redis-cli CONFIG SET appendonly yes',
    )
  }
  if (report.evictionPolicy === null) {
    notices.push(
      'maxmemory-policy could not be read (CONFIG is forbidden and INFO has none): make sure that it is noeviction',
    )
  }
  return notices
}
