import { RepriseError } from '../core/errors.ts'
import type { StopReason, StoredError } from '../core/failure.ts'
import { fromJsonText } from '../core/json.ts'
import { isFinalNodeState, type NodeState, type RunState } from '../core/states.ts'
import { type CompiledGraph, compileGraph } from '../flow/compile.ts'
import type { GraphNode } from '../flow/graph.ts'
import { parseGraph } from '../flow/graph-schema.ts'
import type { RedisConnection } from './connection.ts'
import type { ShardKeys } from './keys.ts'
import { type LoggedAttempt, type NodeRecord, readLog, readNode } from './run-record.ts'

/** A node of a run, as it was when the run was read. */
export interface NodeSnapshot {
  readonly key: string
  readonly kind: GraphNode['kind']
  /** The name of its task; null for virtual nodes. */
  readonly task: string | null
  readonly state: NodeState
  /** What a `waiting` node waits for. */
  readonly waitingFor: 'delay' | 'no_handler' | 'budget' | 'breaker' | 'pause' | null
  /** Since when it has waited for a handler, a budget or a breaker, epoch ms. */
  readonly waitingSince: number | null
  /** True if it failed, or an upstream did, and a plan B made up for it. */
  readonly forgiven: boolean
  /** Attempts granted so far. */
  readonly attempts: number
  readonly retriesUsed: number
  readonly crashes: number
  /** Start of the last attempt, epoch ms. */
  readonly startedAt: number | null
  readonly endedAt: number | null
  /** When it may go on, or looks again whether it may, epoch ms: of a node that is retrying or waiting. */
  readonly dueAt: number | null
  /** The key of the node whose failure made this one `upstream_failed`. */
  readonly causedBy: string | null
  /** Its ended attempts that did not succeed, oldest first. */
  readonly log: readonly LoggedAttempt[]
}

/** A run, as it was when it was read. */
export interface RunSnapshot {
  readonly id: string
  readonly flow: string
  readonly state: RunState
  /** Epoch ms by Redis' clock. */
  readonly openedAt: number
  readonly endedAt: number | null
  /** Why it failed before any node ran; null otherwise. */
  readonly refusal: { readonly reason: StopReason; readonly error: StoredError } | null
  /** Every node, virtual ones included, in the order of the graph. */
  readonly nodes: readonly NodeSnapshot[]
  /** The graph that it runs; null if it was refused before it had one. */
  readonly graph: CompiledGraph | null
}

/** Reads a run with all of its nodes, or null if Redis doesn't know it. */
export async function readRun(
  redis: RedisConnection,
  keys: ShardKeys,
  runId: string,
): Promise<RunSnapshot | null> {
  const [run, log] = await Promise.all([
    redis.hgetall(keys.run(runId)),
    redis.hgetall(keys.log(runId)),
  ])
  const letter = run.s
  if (letter === undefined) return null
  const openedAt = Number(run.at)
  const graph = run.g === undefined ? null : await readGraph(redis, keys, run.g)
  const nodes = graph
    ? graph.graph.nodes.map((node, index) =>
        snapshotNode(graph, node, run[`n${index}`], log[index] ?? '', openedAt),
      )
    : []
  return {
    id: runId,
    flow: run.q ?? '',
    state: runState(letter, run.pz !== undefined, nodes),
    openedAt,
    endedAt: run.e === undefined ? null : openedAt + Number(run.e),
    refusal: run.x === undefined ? null : (fromJsonText(run.x, 'a refusal') as never),
    nodes: letter === 'C' ? nodes.map(asCancelled) : nodes,
    graph,
  }
}

/** Reads a stored graph by its content hash. */
export async function readGraph(
  redis: RedisConnection,
  keys: ShardKeys,
  hash: string,
): Promise<CompiledGraph> {
  const json = await redis.hget(keys.graph(hash), 'json')
  if (json === null) {
    throw new RepriseError('internal', `the graph ${hash} is not stored any more`)
  }
  return compileGraph(parseGraph(json, `the stored graph ${hash}`))
}

// A cancel sets one flag: what had not ended by then reads as cancelled.
function asCancelled(node: NodeSnapshot): NodeSnapshot {
  if (isFinalNodeState(node.state)) return node
  return { ...node, state: 'cancelled', waitingFor: null, waitingSince: null, dueAt: null }
}

function snapshotNode(
  graph: CompiledGraph,
  node: GraphNode,
  packed: string | undefined,
  log: string,
  openedAt: number,
): NodeSnapshot {
  const record = packed === undefined ? null : readNode(packed, openedAt)
  const state = record ? nodeState(record.letter) : 'pending'
  const x = record?.x ?? null
  const isParked = record !== null && PARKED[record.letter] !== undefined
  return {
    key: node.key,
    kind: node.kind,
    task: node.kind === 'task' ? node.task : null,
    state,
    waitingFor: waitingFor(record),
    waitingSince: isParked ? record.startedAt : null,
    forgiven: record?.letter === 'f' || record?.letter === 'u',
    attempts: record?.attempts ?? 0,
    retriesUsed: record?.retriesUsed ?? 0,
    crashes: record?.crashes ?? 0,
    startedAt: isParked ? null : (record?.startedAt ?? null),
    endedAt: state === 'succeeded' || state === 'failed' || state === 'skipped' ? x : null,
    dueAt: state === 'retrying' || state === 'waiting' ? x : null,
    causedBy:
      state === 'upstream_failed' && x !== null ? (graph.graph.nodes[x]?.key ?? null) : null,
    log: readLog(log, openedAt),
  }
}

function waitingFor(record: NodeRecord | null): NodeSnapshot['waitingFor'] {
  if (record?.letter === 'W') return 'delay'
  if (record?.letter === 'P') return 'pause'
  return (record && PARKED[record.letter]) ?? null
}

// What a node waits for that gave its grant back.
const PARKED: Readonly<Record<string, 'no_handler' | 'budget' | 'breaker'>> = {
  H: 'no_handler',
  B: 'budget',
  O: 'breaker',
}

const NODE_STATES: Readonly<Record<string, NodeState>> = {
  Y: 'ready',
  R: 'running',
  T: 'retrying',
  W: 'waiting',
  H: 'waiting',
  B: 'waiting',
  O: 'waiting',
  P: 'waiting',
  S: 'succeeded',
  F: 'failed',
  f: 'failed',
  U: 'upstream_failed',
  u: 'upstream_failed',
  K: 'skipped',
}

/** The state behind a stored letter (lua/lib/node.lua). */
export function nodeState(letter: string): NodeState {
  const state = NODE_STATES[letter]
  if (state === undefined) {
    throw new RepriseError('internal', `a stored node has the unknown state ${letter}`)
  }
  return state
}

function runState(letter: string, isPaused: boolean, nodes: readonly NodeSnapshot[]): RunState {
  if (letter === 'S') return 'succeeded'
  if (letter === 'F' || letter === 'X') return 'failed'
  if (letter === 'C') return 'cancelled'
  if (isPaused) return 'paused'
  const has = (state: NodeState) => nodes.some((node) => node.state === state)
  if (has('running') || has('ready')) return 'running'
  if (has('retrying')) return 'retrying'
  return has('waiting') ? 'waiting' : 'running'
}
