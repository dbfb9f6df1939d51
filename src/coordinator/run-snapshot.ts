import { RepriseError } from '../core/errors.ts'
import type { RecordedDecision, StopReason, StoredError } from '../core/failure.ts'
import { fromJsonText, type Json } from '../core/json.ts'
import type { ChildRun, ParentNode, Rerun, RunRetry } from '../core/lineage.ts'
import { isFinalNodeState, type NodeState, type RunState } from '../core/states.ts'
import type { CompiledGraph } from '../flow/compile.ts'
import { type GraphNode, isWorkNode } from '../flow/graph.ts'
import type { Location } from '../flow/instances.ts'
import { awaitedField, readChildren } from './run-children.ts'
import { itemsByGroup, locateNodes, nodeKey } from './run-instances.ts'
import { type LoggedAttempt, type NodeRecord, readLog, readNode } from './run-record.ts'
import { readItem } from './stored-items.ts'

/**
 * Why a node was skipped: an upstream was, what its trigger waits for can't happen any more, its `if` was not true, or
 * its handler threw `Skip`.
 */
export type SkipReason = 'upstream_skipped' | 'not_needed' | 'condition' | 'thrown'

/** A node of a run, as it was when the run was read. */
export interface NodeSnapshot {
  /** In a map's body with the item's key, such as `fetch[3]`. */
  readonly key: string
  /** Its number in the run (flow/instances.ts): its place in the graph, but for the nodes of a map's items. */
  readonly index: number
  readonly kind: GraphNode['kind']
  /** The name of its task; null for nodes that call none. */
  readonly task: string | null
  /** The flow that it starts a child run of (`flow.asRun`); null for all other nodes. */
  readonly childFlow: string | null
  readonly state: NodeState
  /** What a `waiting` node waits for. */
  readonly waitingFor:
    | 'delay'
    | 'no_handler'
    | 'budget'
    | 'breaker'
    | 'lock'
    | 'pause'
    | 'child'
    | null
  /** The id of the child run that it waits for. */
  readonly waitingForRun: string | null
  /** The key of the lock that it waits for. */
  readonly waitingForLock: string | null
  /** Since when it has waited for a handler, a budget, a breaker, a lock or a child run, epoch ms. */
  readonly waitingSince: number | null
  /** True if it failed, or an upstream did, and a plan B made up for it. */
  readonly forgiven: boolean
  /** True if this run took its result, or its forgiven failure, from the run that it repeats. */
  readonly reused: boolean
  /** Attempts granted so far. */
  readonly attempts: number
  readonly retriesUsed: number
  readonly crashes: number
  /** Start of the last attempt, epoch ms. */
  readonly startedAt: number | null
  readonly endedAt: number | null
  /** When it may go on, or looks again whether it may, epoch ms: of a node that is retrying or waiting. */
  readonly dueAt: number | null
  /** The key of the node whose failure stands for this one's, if it is `upstream_failed`: the first in order. */
  readonly causedBy: string | null
  /** The keys of all failed nodes that made this one `upstream_failed`. */
  readonly causes: readonly string[]
  /** Why it is `skipped`; null otherwise. */
  readonly skipReason: SkipReason | null
  /** Its ended attempts that did not succeed, oldest first. */
  readonly log: readonly LoggedAttempt[]
}

/** A run, as it was when it was read. */
export interface RunSnapshot {
  readonly id: string
  readonly flow: string
  /** The first run of its lineage: itself, unless a node of another run started it, or it repeats another run. */
  readonly rootId: string
  /** The node that started it, or the run that it repeats was started by; null for a run that was enqueued from outside. */
  readonly parent: Pick<ParentNode, 'runId' | 'node'> | null
  /** How it repeats another run; null if it repeats none. */
  readonly rerun: Rerun | null
  /** The runs that repeat it, oldest first. */
  readonly reruns: readonly string[]
  /** When it is retried as a whole if it fails; null if never. */
  readonly runRetry: RunRetry | null
  /** True for a failed run that is retried as a whole, or about which that is not decided yet. */
  readonly willRetry: boolean
  /** The run that retries it automatically; null while there is none. */
  readonly retriedBy: string | null
  /** What was decided about its automatic retry; null if nothing was. */
  readonly retryDecision: RecordedDecision | null
  /** The runs that its nodes started, in the order of the nodes. */
  readonly children: readonly ChildRun[]
  /** The labels that it was enqueued with. */
  readonly tags: readonly string[]
  /** What the flow's schema made of the input, JSON; undefined if it was refused before it had one. */
  readonly input: Json | undefined
  readonly state: RunState
  /** Epoch ms by Redis' clock. */
  readonly openedAt: number
  readonly endedAt: number | null
  /** Why it failed before any node ran; null otherwise. */
  readonly refusal: { readonly reason: StopReason; readonly error: StoredError } | null
  /** Every node, virtual ones included, in the order of the graph; a map is followed by the nodes of its items. */
  readonly nodes: readonly NodeSnapshot[]
  /** The graph that it runs; null if it was refused before it had one. */
  readonly graph: CompiledGraph | null
}

/**
 * A run, made of the fields of its hash and the lines of its log.
 *
 * @param items the stored items of maps that give them keys, by index (run-instances.ts)
 */
export function snapshotRun(
  id: string,
  fields: Readonly<Record<string, string | undefined>>,
  log: Readonly<Record<string, string | undefined>>,
  graph: CompiledGraph | null,
  items: ReadonlyMap<number, string> = new Map(),
): RunSnapshot {
  const letter = fields.s ?? ''
  const openedAt = Number(fields.at)
  const keyOf = (at: Location) => (graph ? nodeKey(graph, at, (item) => keyIn(items, item)) : '')
  const nodes = graph
    ? withCauses(
        locateNodes(graph, fields).map((at) =>
          snapshotNode(graph, at, keyOf, {
            packed: fields[`n${at.index}`],
            child: fields[awaitedField(at.index)],
            lock: fields[`lk${at.index}`],
            log: log[at.index] ?? '',
            openedAt,
          }),
        ),
        graph,
      )
    : []
  const { tags = [], parent, rerun = null, runRetry = null } = readStoredOptions(fields.o)
  return {
    id,
    flow: fields.q ?? '',
    rootId: rerun?.rootId ?? parent?.rootId ?? id,
    parent: parent ? { runId: parent.runId, node: parent.node } : null,
    rerun,
    reruns: Array.from({ length: Number(fields.rr ?? 0) }, (_, i) => `${id}~${i + 1}`),
    runRetry,
    ...retryOf(letter, fields),
    children: graph ? readChildren(fields, nodes) : [],
    tags,
    input: fields.i === undefined ? undefined : fromJsonText(fields.i, "the run's input"),
    state: runState(letter, fields.pz !== undefined, nodes),
    openedAt,
    endedAt: fields.e === undefined ? null : openedAt + Number(fields.e),
    refusal: fields.x === undefined ? null : (fromJsonText(fields.x, 'a refusal') as never),
    nodes: letter === 'C' ? nodes.map(asCancelled) : nodes,
    graph,
  }
}

/** What a reader needs of the options that are stored with a run. */
export interface StoredOptions {
  readonly tags?: readonly string[]
  readonly parent?: ParentNode
  readonly rerun?: Rerun
  readonly runRetry?: RunRetry
}

/** Reads the stored options of a run. Trust border: they were checked before `open` or a rerun stored them. */
export function readStoredOptions(text: string | undefined): StoredOptions {
  return text === undefined || text === ''
    ? {}
    : (fromJsonText(text, "the run's options") as StoredOptions)
}

type Retry = Pick<RunSnapshot, 'willRetry' | 'retriedBy' | 'retryDecision'>

function retryOf(letter: string, { rd, rj }: Readonly<Record<string, string | undefined>>): Retry {
  const isRetried = letter === 'F' && rd !== undefined && rd !== '-'
  return {
    willRetry: isRetried,
    retriedBy: isRetried && rd !== 'due' ? rd : null,
    retryDecision: rj === undefined ? null : (fromJsonText(rj, 'a decision') as RecordedDecision),
  }
}

// A cancel sets one flag: what had not ended by then reads as cancelled.
function asCancelled(node: NodeSnapshot): NodeSnapshot {
  if (isFinalNodeState(node.state)) return node
  return {
    ...node,
    state: 'cancelled',
    waitingFor: null,
    waitingForRun: null,
    waitingForLock: null,
    waitingSince: null,
    dueAt: null,
  }
}

/** What a run's hash and its log have of a node. */
interface StoredNode {
  readonly packed: string | undefined
  readonly child: string | undefined
  readonly lock: string | undefined
  readonly log: string
  readonly openedAt: number
}

function keyIn(items: ReadonlyMap<number, string>, item: number): string | null {
  const stored = items.get(item)
  return stored === undefined ? null : readItem(stored).key
}

function snapshotNode(
  graph: CompiledGraph,
  at: Location,
  keyOf: (at: Location) => string,
  { packed, child, lock, log, openedAt }: StoredNode,
): NodeSnapshot {
  const node = graph.graph.nodes[at.template]
  if (!node) throw new RepriseError('internal', `the graph has no node ${at.template}`)
  const record = packed === undefined ? null : readNode(packed, openedAt)
  const state = record ? nodeState(record.letter) : 'pending'
  const x = record?.x ?? null
  const awaitsChild = record?.letter === 'C'
  const isParked = record !== null && PARKED[record.letter] !== undefined
  return {
    key: keyOf(at),
    index: at.index,
    kind: node.kind,
    task: node.kind === 'task' ? node.task : null,
    childFlow: node.kind === 'run' ? node.child.flow : null,
    state,
    waitingFor: waitingFor(record),
    waitingForRun: awaitsChild ? (child ?? null) : null,
    waitingForLock: record?.letter === 'L' ? (lock ?? null) : null,
    waitingSince: isParked || awaitsChild ? record.startedAt : null,
    forgiven: record?.letter === 'f' || record?.letter === 'u',
    reused: isWorkNode(node) && wasReused(record),
    // The grant under which a condition was found not to be true was no attempt.
    attempts: (record?.attempts ?? 0) - (record?.letter === 'I' ? 1 : 0),
    retriesUsed: record?.retriesUsed ?? 0,
    crashes: record?.crashes ?? 0,
    startedAt: isParked ? null : (record?.startedAt ?? null),
    endedAt: state === 'succeeded' || state === 'failed' || state === 'skipped' ? x : null,
    dueAt: state === 'retrying' || state === 'waiting' ? x : null,
    causedBy: state === 'upstream_failed' && x !== null ? keyOf(graph.instances.locate(x)) : null,
    causes: [],
    skipReason: SKIP_REASONS[record?.letter ?? ''] ?? null,
    log: readLog(log, openedAt),
  }
}

// What a rerun reuses has ended without an attempt in it (lua/rerun.lua).
function wasReused(record: NodeRecord | null): boolean {
  return (record?.letter === 'S' || record?.letter === 'f') && record.attempts === 0
}

const SKIP_REASONS: Readonly<Record<string, SkipReason>> = {
  K: 'upstream_skipped',
  N: 'not_needed',
  I: 'condition',
  X: 'thrown',
}

/** Upstreams come before their dependants, so that theirs are known. */
function withCauses(nodes: readonly NodeSnapshot[], graph: CompiledGraph): NodeSnapshot[] {
  const found = new Map<number, NodeSnapshot>()
  const items = itemsByGroup(graph, nodes)
  for (const node of nodes) {
    if (node.state !== 'upstream_failed') {
      found.set(node.index, node)
      continue
    }
    const at = graph.instances.locate(node.index)
    const upstreams = (graph.graph.nodes[at.template]?.upstreams ?? []).map((upstream) =>
      graph.instances.indexFrom(at, upstream),
    )
    const causes = [
      ...upstreams,
      ...(items.get(node.index) ?? []).map(({ index }) => index),
    ].flatMap((upstream) => {
      const { state, key, causes = [] } = found.get(upstream) ?? {}
      return state === 'failed' && key ? [key] : causes
    })
    found.set(node.index, { ...node, causes: [...new Set(causes)] })
  }
  return [...found.values()]
}

function waitingFor(record: NodeRecord | null): NodeSnapshot['waitingFor'] {
  if (record?.letter === 'W') return 'delay'
  if (record?.letter === 'P') return 'pause'
  if (record?.letter === 'C') return 'child'
  return (record && PARKED[record.letter]) ?? null
}

// What a node waits for that gave its grant back.
const PARKED: Readonly<Record<string, 'no_handler' | 'budget' | 'breaker' | 'lock'>> = {
  H: 'no_handler',
  B: 'budget',
  O: 'breaker',
  L: 'lock',
}

const NODE_STATES: Readonly<Record<string, NodeState>> = {
  Y: 'ready',
  R: 'running',
  T: 'retrying',
  W: 'waiting',
  H: 'waiting',
  B: 'waiting',
  O: 'waiting',
  L: 'waiting',
  P: 'waiting',
  C: 'waiting',
  S: 'succeeded',
  F: 'failed',
  f: 'failed',
  U: 'upstream_failed',
  u: 'upstream_failed',
  K: 'skipped',
  N: 'skipped',
  I: 'skipped',
  X: 'skipped',
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
