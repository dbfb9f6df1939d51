import { createRedisBackend } from 'bullmq'
import type { RedisConnection } from '../coordinator/connection.ts'

/** BullMQ's longest block for the next job, in seconds: a worker with nothing delayed waits this long. */
const DRAIN_DELAY_SECONDS = 5

/**
 * BullMQ's backend for workers, woken in time for delayed jobs (R15). A blocked worker is released by Redis' own timer,
 * which ticks `hz` times a second: with the default 10 a retry starts up to 100 ms late. So while a worker blocks for
 * the next delayed job, a timer in its own process writes the queue's marker at the due time, which releases it at
 * once. No polling: one write per delayed job that an idle worker waits for.
 */
export function punctualBackend(
  connection: RedisConnection,
  prefix: string,
): typeof createRedisBackend {
  return (name, options, details) => {
    const backend = createRedisBackend(name, options, details)
    const marker = `${prefix}:${name}:marker`
    const waitForJob = backend.waitForJob.bind(backend)
    backend.waitForJob = async (blockSeconds) => {
      if (blockSeconds >= DRAIN_DELAY_SECONDS) return waitForJob(blockSeconds)
      const timer = setTimeout(() => ring(connection, marker), Math.ceil(blockSeconds * 1_000) + 1)
      try {
        return await waitForJob(blockSeconds)
      } finally {
        clearTimeout(timer)
      }
    }
    return backend
  }
}

function ring(connection: RedisConnection, marker: string): void {
  connection.zadd(marker, 0, '0').catch(() => {
    // Redis is away: the block ends by its own timer.
  })
}
