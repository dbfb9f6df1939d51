import type { RedisConnection } from './connection.ts'
import type { ShardKeys } from './keys.ts'

/** What a live worker can do, as it announces it. */
export interface WorkerAnnouncement {
  readonly v: 1
  /** Unique per worker. */
  readonly id: string
  readonly queues: readonly string[]
  /** Flows by name, with the hash of their graph. */
  readonly flows: { readonly [name: string]: string }
  readonly tasks: readonly string[]
  /** Retry-policy plug-ins by name, with their version, if they have one. */
  readonly policies: { readonly [name: string]: string | null }
}

/** How often a worker announces itself, in ms. */
export const HEARTBEAT_MS = 5_000

/** A worker that has been silent for so long, in ms, counts as gone. */
const SILENT_MS = 3 * HEARTBEAT_MS

/** Queues are remembered for so long, in ms: a deploy that stops all workers of a queue must not make it unknown. */
const QUEUES_MS = 86_400_000

/** Announces a worker, and forgets those that have been silent for too long. */
export async function announceWorker(
  redis: RedisConnection,
  keys: ShardKeys,
  announcement: WorkerAnnouncement,
): Promise<void> {
  const now = await redisTime(redis)
  await Promise.all([
    redis.zadd(keys.workers, now, JSON.stringify(announcement)),
    redis.zremrangebyscore(keys.workers, 0, now - SILENT_MS),
    redis.pexpire(keys.workers, 2 * SILENT_MS),
    ...announcement.queues.map((queue) => redis.zadd(keys.queues, now, queue)),
    redis.zremrangebyscore(keys.queues, 0, now - QUEUES_MS),
    redis.pexpire(keys.queues, QUEUES_MS),
  ])
}

/** Takes back a worker's announcement when it closes. */
export async function withdrawWorker(
  redis: RedisConnection,
  keys: ShardKeys,
  announcement: WorkerAnnouncement,
): Promise<void> {
  await redis.zrem(keys.workers, JSON.stringify(announcement))
}

/** The workers that announced themselves a short while ago. One that was killed is among them for up to 15 s. */
export async function liveWorkers(
  redis: RedisConnection,
  keys: ShardKeys,
): Promise<WorkerAnnouncement[]> {
  const since = (await redisTime(redis)) - SILENT_MS
  const found = await redis.zrangebyscore(keys.workers, since, '+inf')
  return found.flatMap((text) => {
    // Trust border: only `announceWorker` writes here; another version's announcements are left out.
    const announcement: WorkerAnnouncement = JSON.parse(text)
    return announcement.v === 1 ? [announcement] : []
  })
}

/** The queues that a worker has served in the last `withinMs`, at most a day. */
export async function servedQueues(
  redis: RedisConnection,
  keys: ShardKeys,
  withinMs: number,
): Promise<string[]> {
  return await redis.zrangebyscore(keys.queues, (await redisTime(redis)) - withinMs, '+inf')
}

async function redisTime(redis: RedisConnection): Promise<number> {
  const [seconds = 0, micros = 0] = (await redis.time()).map(Number)
  return seconds * 1_000 + Math.floor(micros / 1_000)
}
