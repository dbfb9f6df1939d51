import { readServerReport, type ServerReport } from '../../coordinator/server-report.ts'
import { findObstacle } from '../../coordinator/server-requirements.ts'
import { messageOf, RepriseError } from '../../core/errors.ts'
import { describeDurability, durabilityNotices } from './durability.ts'
import type { ProvisionedRedis } from './provisioned-redis.ts'

/**
 * Uses the Redis that the user named. There is no other to fall back to: data in a place that the user did not name
 * would be lost to him.
 *
 * @param url the value of `REDIS_URL`
 * @throws RepriseError (`redis`) when it is no URL, does not answer, or may not be used. No password is shown.
 */
export async function useRedisUrl(url: string): Promise<ProvisionedRedis> {
  const shown = redactUrl(url)
  const report = await readReport(url, shown)
  const obstacle = findObstacle(report)
  if (obstacle !== null) throw new RepriseError('redis', `REDIS_URL (${shown}): ${obstacle}`)
  return {
    url,
    source: 'url',
    description: `${report.product} ${report.version} at ${shown} (from REDIS_URL; ${describeDurability(report)})`,
    version: report.version,
    notices: durabilityNotices(report),
    stop: async () => {},
  }
}

async function readReport(url: string, shown: string): Promise<ServerReport> {
  try {
    return await readServerReport(url)
  } catch (error) {
    throw new RepriseError(
      'redis',
      `REDIS_URL (${shown}): can't be used: ${messageOf(error)}. ` +
        'Start that Redis or correct the address; without REDIS_URL one is found or started for you.',
    )
  }
}

/**
 * The URL without its password and its query (which may hold one).
 *
 * @throws RepriseError (`redis`) for what is no `redis://` or `rediss://` URL. The text is not shown: nobody knows
 * which part of it is a password.
 */
export function redactUrl(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : null
  if (parsed === null || !['redis:', 'rediss:'].includes(parsed.protocol) || parsed.host === '') {
    throw new RepriseError(
      'redis',
      'REDIS_URL: expected redis://[user:password@]host[:port][/database], or rediss:// for TLS, got something else',
    )
  }
  const user = parsed.username === '' ? '' : `${parsed.username}@`
  return `${parsed.protocol}//${user}${parsed.host}${parsed.pathname}`
}
