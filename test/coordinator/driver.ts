import { afterAll } from 'vitest'
import type {
  ClaimAnswer,
  ExpandAnswer,
  Grant,
  Place,
  SettleAnswer,
} from '../../src/coordinator/answers.ts'
import { connectRedis, type RedisConnection } from '../../src/coordinator/connection.ts'
import { Coordinator } from '../../src/coordinator/coordinator.ts'
import { ShardKeys } from '../../src/coordinator/keys.ts'
import {
  type Delivery,
  type GoOn,
  type OpenedRun,
  type Outcome,
  STOP,
} from '../../src/coordinator/moves.ts'
import { nodeKey } from '../../src/coordinator/run-instances.ts'
import { RunReader } from '../../src/coordinator/run-reader.ts'
import { formatFailure, formatSkip } from '../../src/coordinator/run-record.ts'
import type { NodeSnapshot, RunSnapshot } from '../../src/coordinator/run-snapshot.ts'
import type { Script } from '../../src/coordinator/scripts.ts'
import { formatItem } from '../../src/coordinator/stored-items.ts'
import type { FailureKind, StopReason } from '../../src/core/failure.ts'
import { newRunId, ticketJobId } from '../../src/core/ids.ts'
import type { NodeState } from '../../src/core/states.ts'
import type { CompiledGraph } from '../../src/flow/compile.ts'
import { isWorkNode } from '../../src/flow/graph.ts'
import { instanceIndex, templateOf } from '../../src/flow/instances.ts'
import { redisUrl, testNamespace } from '../setup/namespace.ts'
import { graphOf, type NodeSpec } from './graphs.ts'

/** One connection for all tests of a file. */
export function useRedis(): () => RedisConnection {
  let connection: RedisConnection | null = null
  afterAll(() => connection?.disconnect())
  return () => {
    connection ??= connectRedis(redisUrl(), 'patient')
    return connection
  }
}

export interface DriverOptions {
  readonly maxCrashes?: number
  readonly succeededMs?: number
  readonly failedMs?: number
  readonly input?: string
  readonly namespace?: string
  /** At most so many roots share a ticket. */
  readonly grain?: number
  readonly place?: Place
  /** A failed end asks for a retry of the run. */
  readonly isRetried?: boolean
  readonly maxCrashesOf?: Readonly<Record<string, number>>
  /** Roots that may not run in the flow job's own delivery. */
  readonly away?: readonly string[]
  /** The run's id; a new one by default. */
  readonly runId?: string
  /** Other scripts than the real ones. */
  readonly script?: Script
  /** A run that exists already, and how a delivery of its first job opens it. */
  readonly known?: {
    readonly runId: string
    readonly open: (delivery: Delivery, free: number) => Promise<ClaimAnswer>
  }
}

export interface OpenOptions {
  /** True if the job has no failed attempt behind it. */
  readonly fresh?: boolean
  /** How many attempts the delivery may start. */
  readonly free?: number
  readonly grain?: number
}

/** How BullMQ would deliver a ticket's job: again after a lost lease, or again because somebody pressed Retry. */
export interface DeliveryOptions {
  readonly redelivered?: boolean
  readonly retriedByHand?: boolean
}

export type Granted = Extract<ClaimAnswer, { status: 'granted' }>
export type Settled = Extract<SettleAnswer, { status: 'settled' }>

const QUEUE = 'default'
const MAX_CRASHES = 3
let leases = 0

/** Drives one run through the moves as workers would, without BullMQ: deliveries are locks that it sets by itself. */
export class Driver {
  readonly redis: RedisConnection
  readonly namespace: string
  readonly keys: ShardKeys
  readonly coordinator: Coordinator
  readonly graph: CompiledGraph
  readonly runId: string
  readonly #options: DriverOptions
  readonly #jobs = new Map<number, { stalled: number; made: number }>()

  constructor(
    redis: RedisConnection,
    nodes: readonly NodeSpec[] | CompiledGraph,
    options: DriverOptions = {},
  ) {
    this.redis = redis
    this.graph = 'hash' in nodes ? nodes : graphOf(nodes)
    this.namespace = options.namespace ?? testNamespace()
    this.keys = new ShardKeys(this.namespace, 0)
    this.#options = options
    this.runId = options.known?.runId ?? options.runId ?? newRunId(0)
    this.coordinator = new Coordinator(
      redis,
      this.keys,
      {
        retention: {
          succeededMs: options.succeededMs ?? 3_600_000,
          failedMs: options.failedMs ?? 7_200_000,
        },
        maxCrashes: this.maxCrashes,
      },
      options.script,
    )
  }

  /** How many lost leases a node survives. */
  get maxCrashes(): number {
    return this.#options.maxCrashes ?? MAX_CRASHES
  }

  /** A driver of a run of a graph that shares this one's shard and settings. */
  beside(graph: CompiledGraph, runId: string): Driver {
    const { known: _, ...options } = this.#options
    return new Driver(this.redis, graph, { ...options, namespace: this.namespace, runId })
  }

  /** Activates a ticket's job: a new lease, and the lock as BullMQ would hold it. */
  async deliver(ticket: number, options: DeliveryOptions = {}): Promise<Delivery> {
    const before = this.#jobs.get(ticket) ?? { stalled: 0, made: 0 }
    const { redelivered = false, retriedByHand = false } = options
    const now = {
      stalled: before.stalled + (redelivered ? 1 : 0),
      made: before.made + (retriedByHand ? 1 : 0),
    }
    this.#jobs.set(ticket, now)
    const lease = `lease-${leases++}`
    const token = `token-of-${lease}`
    const job = this.keys.job(QUEUE, ticketJobId(this.runId, ticket))
    await this.redis.set(`${job}:lock`, token)
    const started = await this.redis.hincrby(job, 'ats', 1)
    return {
      runId: this.runId,
      ticket,
      lease,
      token,
      job,
      started,
      size: 1,
      seen: `${now.stalled}.${now.made}`,
    }
  }

  /** The job's end: it is removed, and its lock. */
  async release(delivery: Delivery): Promise<void> {
    await this.redis.del(delivery.job, `${delivery.job}:lock`)
  }

  open(delivery: Delivery, options: OpenOptions = {}): Promise<ClaimAnswer> {
    const { away = [], input = '{"topic":"x"}', place = null } = this.#options
    const { fresh = true, free = 1, grain = this.#options.grain ?? 1 } = options
    if (this.#options.known) return this.#options.known.open(delivery, free)
    const maxCrashes = Object.entries(this.#options.maxCrashesOf ?? {}).map(
      ([key, limit]) => [this.indexOf(key), limit] as const,
    )
    const roots = this.graph.roots.map((index) => {
      const root = this.graph.graph.nodes[index]
      const delayMs = isWorkNode(root) ? (root.delayMs ?? 0) : 0
      const home = delayMs === 0 && !away.includes(root?.key ?? '')
      return { index, delayMs, home, place: this.graph.places[index] ?? 0 }
    })
    return this.coordinator.open(
      delivery,
      { free, isolated: true },
      {
        fresh,
        isRetried: this.#options.isRetried ?? false,
        grain,
        place,
        maxCrashes: new Map(maxCrashes),
        graph: this.graph,
        roots,
        input,
        options: '',
        job: '',
      },
    )
  }

  claim(delivery: Delivery, free = 1, isolated = true): Promise<ClaimAnswer> {
    return this.coordinator.claim(delivery, { free, isolated })
  }

  async openGranted(options: DeliveryOptions & OpenOptions = {}): Promise<Active> {
    const delivery = await this.deliver(0, options)
    return new Active(this, delivery, granted(await this.open(delivery, options)))
  }

  async claimGranted(ticket: number, options: DeliveryOptions = {}): Promise<Active> {
    const delivery = await this.deliver(ticket, options)
    return new Active(this, delivery, await this.claimDue(delivery))
  }

  /** Claims again while what the ticket holds is a moment early: a due time is at least the next ms. */
  async claimDue(delivery: Delivery): Promise<Granted> {
    const answer = granted(await this.claim(delivery))
    if (answer.grants.length > 0 || answer.earlyMs === 0 || answer.earlyMs > 100) return answer
    await new Promise((resolve) => setTimeout(resolve, answer.earlyMs))
    return this.claimDue(delivery)
  }

  /** Settles an attempt of a node; nothing goes on by default. */
  async settle(
    delivery: Delivery,
    key: string,
    outcome: Outcome,
    attempt: number,
    goOn: GoOn = STOP,
  ): Promise<SettleAnswer> {
    const index = this.indexOf(key)
    return this.coordinator.settle(delivery, await this.openedRun(), index, attempt, outcome, goOn)
  }

  async openedRun(): Promise<OpenedRun> {
    return { graph: this.graph, openedAt: Number(await this.field('at')) }
  }

  /** How many nodes are not final yet. */
  async nodesLeft(): Promise<number> {
    return Number((await this.field('k'))?.split('.')[0])
  }

  /** Runs everything that can run, one ticket after the other, each node to what `outcomes` says (else success). */
  async finish(
    owed: readonly number[],
    outcomes: Readonly<Record<string, Outcome>> = {},
  ): Promise<void> {
    const queue = [...owed]
    for (let ticket = queue.shift(); ticket !== undefined; ticket = queue.shift()) {
      const active = await this.claimGranted(ticket)
      for (const { index } of active.answer.grants) {
        const key = this.keyOf(index)
        const answer = await active.settle(key, outcomes[key])
        queue.push(...answer.toAdd.map((added) => added.ticket))
      }
    }
  }

  /** Opens the run and runs it to its end. */
  async execute(outcomes: Readonly<Record<string, Outcome>>): Promise<void> {
    const first = await this.openGranted()
    const [key = ''] = first.keys
    const settled = await first.settle(key, outcomes[key])
    const added = [...first.answer.toAdd, ...settled.toAdd]
    await this.finish(
      added.map(({ ticket }) => ticket),
      outcomes,
    )
  }

  /**
   * Makes it as if the node had waited: its due time is over, and its handler has been missing for `waitedMs`. The only
   * places where the driver knows how the scripts pack things.
   */
  async passTime(key: string, waitedMs: number): Promise<void> {
    const index = this.indexOf(key)
    const run = this.keys.run(this.runId)
    const [seconds = 0, micros = 0] = (await this.redis.time()).map(Number)
    const now = Math.floor(seconds * 1_000 + micros / 1_000) - (await this.read()).openedAt
    const packed = (await this.field(`n${index}`)) ?? ''
    const since = packed.startsWith('H') ? String(now - waitedMs) : '$1'
    const moved = packed.replace(/(-?\d*):-?\d*$/, `${since}:${now - 1}`)
    await this.redis.hset(run, `n${index}`, moved)
  }

  /** The run's fields that should be gone when it has ended: counts of upstreams, and rows without a failed node. */
  async leftovers(): Promise<string[]> {
    const fields = await this.redis.hgetall(this.keys.run(this.runId))
    const isGroup = (name: string) =>
      this.graph.graph.nodes[templateOf(Number(name.slice(1)))]?.kind === 'group'
    const isLeft = ([name, value]: [string, string]) =>
      (/^[wh]\d+$/.test(name) && !isGroup(name)) || (/^t\d+$/.test(name) && !value.startsWith('e|'))
    const left = Object.entries(fields).filter(isLeft)
    const nodesLeft = await this.nodesLeft()
    return [...left.map(([name]) => name), ...(nodesLeft === 0 ? [] : [`${nodesLeft} nodes left`])]
  }

  /** Of a map's item with the positions in brackets, such as `fetch[3]`. */
  indexOf(key: string): number {
    const positions = [...key.matchAll(/\[(\d+)\]/g)].map(([, position]) => Number(position))
    const template = this.graph.indexOf(key.replaceAll(/\[\d+\]/g, '[*]'))
    if (template === undefined) throw new Error(`no node ${key}`)
    const { instances } = this.graph
    const map = this.graph.graph.nodes[template]?.map
    if (map === undefined) return template
    let instance = 0
    for (const [depth, of] of instances.body(map).path.entries()) {
      const at = instances.locate(instance === 0 ? of : instanceIndex(instance, of))
      instance = instances.itemInstance(at, positions[depth] ?? 0)
    }
    return instanceIndex(instance, template)
  }

  keyOf(index: number): string {
    return nodeKey(this.graph, this.graph.instances.locate(index), () => null)
  }

  /** Makes items of a map, as its attempt would. */
  async expand(
    delivery: Delivery,
    grant: Grant,
    first: number,
    items: readonly string[],
    grain = 1,
  ): Promise<ExpandAnswer> {
    const stored = items.map((value) => formatItem({ key: '', value }))
    const run = await this.openedRun()
    return this.coordinator.expand(delivery, run, grant, { first, items: stored, grain })
  }

  async read(): Promise<RunSnapshot> {
    const run = await new RunReader(this.redis, this.keys).read(this.runId)
    if (!run) throw new Error(`no run ${this.runId}`)
    return run
  }

  async node(key: string): Promise<NodeSnapshot> {
    const found = (await this.read()).nodes.find((one) => one.key === key)
    if (!found) throw new Error(`no node ${key}`)
    return found
  }

  async states(): Promise<Record<string, NodeState>> {
    const run = await this.read()
    return Object.fromEntries(run.nodes.map(({ key, state }) => [key, state]))
  }

  field(name: string): Promise<string | null> {
    return this.redis.hget(this.keys.run(this.runId), name)
  }

  /** Everything that the namespace holds, for "nothing changed"; the times to live are told apart from none only. */
  async dump(): Promise<Record<string, unknown>> {
    const dumped: Record<string, unknown> = {}
    for (const key of await this.allKeys()) {
      const ttl = (await this.redis.pttl(key)) >= 0 ? 'expires' : 'stays'
      dumped[key] = [ttl, await this.#content(key)]
    }
    return dumped
  }

  async allKeys(): Promise<string[]> {
    const { prefix } = this.keys
    return (await this.redis.keys(`${prefix.replaceAll(/[[\]*?]/g, '\\$&')}*`)).sort()
  }

  async #content(key: string): Promise<unknown> {
    const type = await this.redis.type(key)
    if (type === 'hash') return Object.fromEntries(sorted(await this.redis.hgetall(key)))
    if (type === 'zset') return this.redis.zrange(key, 0, '-1')
    return this.redis.get(key)
  }
}

function sorted(fields: Record<string, string>): [string, string][] {
  return Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1))
}

/** A delivery with what it was granted. */
export class Active {
  readonly #driver: Driver
  readonly delivery: Delivery
  readonly answer: Granted

  constructor(driver: Driver, delivery: Delivery, answer: Granted) {
    this.#driver = driver
    this.delivery = delivery
    this.answer = answer
  }

  /** The nodes that were granted, by key. */
  get keys(): string[] {
    return this.answer.grants.map(({ index }) => this.#driver.keyOf(index))
  }

  grant(key: string): Grant {
    const found = this.answer.grants.find(({ index }) => this.#driver.keyOf(index) === key)
    if (!found) throw new Error(`${key} was not granted`)
    return found
  }

  async settle(key: string, outcome: Outcome = success(), goOn: GoOn = STOP): Promise<Settled> {
    const { attempt } = this.grant(key)
    return settledAnswer(await this.#driver.settle(this.delivery, key, outcome, attempt, goOn))
  }
}

export function granted(answer: ClaimAnswer): Granted {
  if (answer.status !== 'granted') throw new Error(`expected a grant, got ${text(answer)}`)
  return answer
}

export function settledAnswer(answer: SettleAnswer): Settled {
  if (answer.status !== 'settled') throw new Error(`expected a settle, got ${text(answer)}`)
  return answer
}

function text(value: unknown): string {
  return JSON.stringify(value)
}

export function tickets(answer: { readonly toAdd: readonly { readonly ticket: number }[] }) {
  return answer.toAdd.map(({ ticket }) => ticket)
}

export function success(value: unknown = 'done'): Outcome {
  return { kind: 'succeeded', result: JSON.stringify(value) }
}

export function failure(message = 'broken', reason: StopReason = 'exhausted'): Outcome {
  return { kind: 'failed', log: failureLog('error', message, reason) }
}

export function skip(message = 'nothing to do'): Outcome {
  return { kind: 'skipped', log: formatSkip({ ...errorOf(message), name: 'Skip' }) }
}

export function retryIn(delayMs: number, place: Place | null = null, message = 'again'): Outcome {
  const decision = {
    action: 'retry',
    rule: 'policy',
    baseMs: delayMs,
    random: null,
    delayMs,
    retryNumber: 1,
    maxRetries: null,
  } as const
  return { kind: 'retry', log: formatFailure('error', errorOf(message), decision), delayMs, place }
}

export function interruption(): Outcome {
  return { kind: 'interrupted', log: failureLog('interrupted', 'stopped', 'exhausted') }
}

/** How an attempt ends that has read a child run. */
export function afterReading(child: string, outcome: Outcome): Outcome {
  const { kind } = outcome
  const hasRead = kind === 'succeeded' || kind === 'failed' || kind === 'retry'
  return hasRead ? { ...outcome, child } : outcome
}

export function noHandler(limitMs: number): Outcome {
  const log = failureLog('error', 'unknown task', 'no_handler')
  return { kind: 'parked', cause: { waitsFor: 'no_handler', limitMs }, log }
}

export function parkedFor(
  waitsFor: 'budget' | 'breaker',
  waitMs: number,
  waitedMs: number,
): Outcome {
  return { kind: 'parked', cause: { waitsFor, waitMs, waitedMs }, log: '' }
}

export function parkedForLock(key: string, waitMs: number, waitedMs: number): Outcome {
  return { kind: 'parked', cause: { waitsFor: 'lock', key, waitMs, waitedMs }, log: '' }
}

function failureLog(kind: FailureKind, message: string, reason: StopReason): string {
  return formatFailure(kind, errorOf(message), { action: 'stop', reason })
}

function errorOf(message: string) {
  return { name: 'Error', names: ['Error'], message }
}

export const TAKEN_OVER = { status: 'refused', reason: 'superseded' } as const
