import type { Place } from './answers.ts'
import { readPlace } from './answers.ts'
import type { RedisConnection } from './connection.ts'
import type { ShardKeys } from './keys.ts'
import { awaitedField } from './run-children.ts'

/** A row of the ticket table (lua/lib/row.lua). */
export interface StoredRow {
  readonly ticket: number
  readonly state: 'owed' | 'claimed' | 'ended'
  /** The queue and priority that a decision chose; null for the nodes' own. */
  readonly place: Place | null
  /** The nodes that it holds. */
  readonly indices: readonly number[]
  readonly packed: string
}

/** The ticket table of a live run, as the reconciler looks at it. */
export interface RunRows {
  readonly runId: string
  readonly graph: string
  readonly place: Place | null
  readonly isPaused: boolean
  /** `queue|job id` of ticket 0 where that id is not the run's. */
  readonly foreignJob: string | null
  readonly rows: readonly StoredRow[]
  readonly nodes: readonly {
    readonly index: number
    readonly letter: string
    readonly packed: string
    /** The child run that it waits for, of a node in state C. */
    readonly child: string | null
  }[]
}

const ROW_STATES: Readonly<Record<string, StoredRow['state']>> = {
  o: 'owed',
  c: 'claimed',
  e: 'ended',
}

/** Reads the ticket table of a run; null if the run is not live. */
export async function readRunRows(
  redis: RedisConnection,
  keys: ShardKeys,
  runId: string,
): Promise<RunRows | null> {
  const run = await redis.hgetall(keys.run(runId))
  if (run.s !== 'R') return null
  const fields = Object.entries(run)
  return {
    runId,
    graph: run.g ?? '',
    place: readPlace(run.p ?? ''),
    isPaused: run.pz !== undefined,
    foreignJob: run.j ?? null,
    rows: fields.flatMap(([name, packed]) => (/^t\d+$/.test(name) ? [readRow(name, packed)] : [])),
    nodes: fields.flatMap(([name, packed]) =>
      /^n\d+$/.test(name) ? [readNodeField(Number(name.slice(1)), packed, run)] : [],
    ),
  }
}

function readNodeField(index: number, packed: string, run: Record<string, string>) {
  const letter = packed.charAt(0)
  const child = letter === 'C' ? (run[awaitedField(index)] ?? null) : null
  return { index, letter, packed, child }
}

function readRow(name: string, packed: string): StoredRow {
  const [letter = '', , , , , place = '', tokens = ''] = packed.split('|')
  return {
    ticket: Number(name.slice(1)),
    state: ROW_STATES[letter] ?? 'claimed',
    place: readPlace(place),
    indices: (tokens.match(/\d+/g) ?? []).map(Number),
    packed,
  }
}

/** Live runs whose last look lies before `before` (epoch ms), oldest first. */
export function runsToCheck(
  redis: RedisConnection,
  keys: ShardKeys,
  before: number,
  limit: number,
): Promise<string[]> {
  return redis.zrangebyscore(keys.live, '-inf', before, 'LIMIT', 0, limit)
}

// As lua/open.lua has it: a graph is kept so long after the last sign of a run that uses it.
const GRAPH_TTL_MS = 90 * 86_400_000

/** Remembers that a run was looked at, and keeps its graph. A run that ended meanwhile is not brought back. */
export async function markChecked(
  redis: RedisConnection,
  keys: ShardKeys,
  { runId, graph }: Pick<RunRows, 'runId' | 'graph'>,
  at: number,
): Promise<void> {
  await Promise.all([
    redis.zadd(keys.live, 'XX', at, runId),
    redis.pexpire(keys.graph(graph), GRAPH_TTL_MS),
  ])
}

/** Takes or keeps the shard's reconciler lease: one worker looks at a time. */
export async function holdReconcilerLease(
  redis: RedisConnection,
  keys: ShardKeys,
  owner: string,
  leaseMs: number,
): Promise<boolean> {
  const taken = await redis.set(keys.reconciler, owner, 'PX', leaseMs, 'NX')
  if (taken === 'OK') return true
  if ((await redis.get(keys.reconciler)) !== owner) return false
  await redis.pexpire(keys.reconciler, leaseMs)
  return true
}
