import type { CompiledGraph } from '../flow/compile.ts'
import type { Place } from './answers.ts'

/** One activation of a ticket's job by one worker. */
export interface Delivery {
  readonly runId: string
  readonly ticket: number
  /** Unique per delivery; BullMQ's token is not, since a slot may keep it for its next job. */
  readonly lease: string
  /** BullMQ's token: what the job's lock holds while the lease is ours. */
  readonly token: string
  /** The key of the job. */
  readonly job: string
  /** How often the job has been delivered, this time included. */
  readonly started: number
  /** How many nodes its ticket had at first. */
  readonly size: number
  /** `<stalled count>.<attemptsMade>` of the job. */
  readonly seen: string
}

/** What a delivery knows of its run from its claim. */
export interface OpenedRun {
  readonly graph: CompiledGraph
  /** Epoch ms by Redis' clock. */
  readonly openedAt: number
}

/** What a delivery may start. */
export interface Slots {
  /** So many handlers. */
  readonly free: number
  /** It holds the process' one place for nodes that were lost twice (R6). */
  readonly isolated: boolean
}

/** How long runs are kept after their end, in ms. */
export interface Retention {
  readonly succeededMs: number
  readonly failedMs: number
}

/** What a coordinator applies to every move. */
export interface CoordinatorSettings {
  readonly retention: Retention
  /** How many lost leases a node survives unless its policy says otherwise. */
  readonly maxCrashes: number
}

/** How an attempt ended, as `settle` records it; see lua/settle.lua. */
export type Outcome =
  | { readonly kind: 'succeeded'; readonly result: string; readonly child?: string }
  /** A map has made its items. */
  | { readonly kind: 'expanded' }
  | { readonly kind: 'failed'; readonly log: string; readonly child?: string }
  | {
      readonly kind: 'retry'
      /** As for the others: the child run whose end the attempt has read. */
      readonly child?: string
      readonly log: string
      readonly delayMs: number
      readonly place: Place | null
    }
  | { readonly kind: 'interrupted'; readonly log: string }
  | { readonly kind: 'skipped'; readonly log: string }
  | { readonly kind: 'condition_false' }
  /** The attempt goes on when the child run has ended; until then no row holds the node. */
  | { readonly kind: 'awaiting'; readonly child: string }
  /** The grant is given back; `log` is recorded if the node gives up instead. */
  | { readonly kind: 'parked'; readonly cause: ParkCause; readonly log: string }

/** What a node that gave its grant back waits for. */
export type ParkCause =
  /** A worker that knows its task, and the policy that it names, for at most `limitMs`. */
  | { readonly waitsFor: 'no_handler'; readonly limitMs: number }
  /** A shared limit: it comes again in `waitMs`, and has waited for `waitedMs`. */
  | {
      readonly waitsFor: 'budget' | 'breaker'
      readonly waitMs: number
      readonly waitedMs: number
    }
  /** The lock of that key: the same, unless it is woken before. */
  | {
      readonly waitsFor: 'lock'
      readonly key: string
      readonly waitMs: number
      readonly waitedMs: number
    }

/** A root of a graph, for `open`. */
export interface Root {
  readonly index: number
  /** True if it may run in the flow job's own delivery: same queue, same priority, no delay. */
  readonly home: boolean
  readonly delayMs: number
  /** The node's place in its graph (see `CompiledGraph.places`). */
  readonly place: number
}

/** What a settle may grant to go on in the same delivery (R5, R24). */
export interface GoOn {
  /** Nodes of this place may stay; -1: none may. */
  readonly place: number
  /** At most so many nodes share a ticket. */
  readonly grain: number
  /** At most so many are granted at once. */
  readonly slots: number
}

/** Nothing goes on: ready nodes get tickets of their own. */
export const STOP: GoOn = { place: -1, grain: 1, slots: 0 }

/** Items of a map that get their instances in one move. */
export interface MapChunk {
  /** The position of the first. */
  readonly first: number
  /** Each as `formatItem` writes it. */
  readonly items: readonly string[]
  /** At most so many nodes share a ticket. */
  readonly grain: number
}

/** What `open` creates a run from. */
export interface NewRun {
  /** True if the job has no failed attempt behind it. */
  readonly fresh: boolean
  readonly graph: CompiledGraph
  readonly roots: readonly Root[]
  /** At most so many roots share a ticket. */
  readonly grain: number
  /** The parsed input, JSON. */
  readonly input: string
  /** The envelope's options, JSON, or ''. */
  readonly options: string
  /** The queue and priority of the flow job; null for the default. */
  readonly place: Place | null
  /** Crash limits from policies that were given at enqueue, by node index. */
  readonly maxCrashes: ReadonlyMap<number, number>
  /** `<queue>|<job id>` if the flow job's id is not the run's, else ''. */
  readonly job: string
  /** A failed end asks for an automatic retry of the whole run. */
  readonly isRetried: boolean
}
