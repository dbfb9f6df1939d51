/**
 * The settings of every server that Reprise starts: an append-only file that is synced every second (a crash of the
 * process loses nothing, a crash of the machine about a second), timers that fire within 10 ms, and no eviction.
 */
export const DURABLE_FLAGS = [
  ...['--appendonly', 'yes'],
  ...['--appendfsync', 'everysec'],
  ...['--save', ''],
  ...['--hz', '100'],
  ...['--maxmemory-policy', 'noeviction'],
] as const

/** Reachable from this machine only. */
export const LOOPBACK_FLAGS = ['--bind', '127.0.0.1', '--protected-mode', 'yes'] as const
