import type { ServerReport } from './server-report.ts'

/** The oldest Redis that has every command that Reprise and BullMQ use. */
const OLDEST = { major: 6, minor: 2 }

/** True for a Redis version, such as `7.0.15`, that is new enough. */
export function isVersionSupported(version: string): boolean {
  const [major = Number.NaN, minor = 0] = version.split('.').map(Number)
  return major > OLDEST.major || (major === OLDEST.major && minor >= OLDEST.minor)
}

/** What keeps Reprise from using this server, with what to do about it; null if nothing does. */
export function findObstacle(report: ServerReport): string | null {
  if (!isVersionSupported(report.redisVersion)) {
    return `found ${report.product} ${report.version}, expected Redis ${OLDEST.major}.${OLDEST.minor} or newer (or any Valkey)`
  }
  if (report.evictionPolicy !== null && report.evictionPolicy !== 'noeviction') {
    return (
      `found maxmemory-policy ${report.evictionPolicy}, expected noeviction: any other lets Redis delete runs when ` +
      'memory is short. Set it with: redis-cli CONFIG SET maxmemory-policy noeviction ' +
      '(and in redis.conf, or in the settings of your Redis service, so that it stays)'
    )
  }
  return null
}
