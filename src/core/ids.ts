import { createHash } from 'node:crypto'
import { monotonicFactory } from 'ulid'

/** The default namespace: the prefix of everything that Reprise writes. */
export const DEFAULT_NAMESPACE = 'reprise'

const nextUlid = monotonicFactory()

/** A run's id: `<shard>-<ulid>`. The shard says which keys hold the run, so ids stay valid when shards are added. */
export function newRunId(shard: number): string {
  return `${shard}-${nextUlid()}`
}

/**
 * The id of a run whose flow job was added by somebody else's BullMQ client: always the same for the same job, so
 * that a redelivery finds its run (design rule R18).
 */
export function foreignRunId(
  shard: number,
  queue: string,
  jobId: string,
  timestamp: number,
): string {
  return hashedRunId(shard, [queue, jobId, timestamp])
}

/**
 * The id of a run that a handler starts: always the same for the same call of the same node, so that the node's next
 * attempt starts no other. It is in its parent's shard, and made of the parent's id and not of the root's: two runs of
 * one lineage may have nodes of one key.
 */
export function childRunId(parentId: string, node: string, callKey: string): string {
  const shard = Number(parentId.slice(0, parentId.indexOf('-')))
  return hashedRunId(shard, ['child', parentId, node, callKey])
}

function hashedRunId(shard: number, parts: readonly (string | number)[]): string {
  const hash = createHash('sha256').update(JSON.stringify(parts)).digest('hex')
  return `${shard}-x${hash.slice(0, 25)}`
}

/** The run that a rerun repeats, or null for a run that repeats none: a rerun's id is `<repeated run>~<n>`. */
export function repeatedRunId(runId: string): string | null {
  const end = runId.lastIndexOf('~')
  return end < 0 ? null : runId.slice(0, end)
}

const RUN_ID = /^(\d+)-([0-9A-HJKMNP-TV-Z]{26}|x[0-9a-f]{25})(~\d+)*$/

/** True for a text that has a run id's form. */
export function isRunId(text: string): boolean {
  return RUN_ID.test(text)
}

/** The BullMQ job id of a run's ticket. Ticket 0 is the flow job, whose id is the run's. */
export function ticketJobId(runId: string, ticket: number): string {
  return ticket === 0 ? runId : `${runId}.${ticket}`
}

/** The BullMQ prefix and Redis Cluster hash tag of one shard. */
export function shardPrefix(namespace: string, shard: number): string {
  return `{${namespace}:${shard}}`
}

/** A short hash of a text, for content addresses and idempotency: 16 base64url characters. */
export function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 16)
}
