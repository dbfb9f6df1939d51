import { RepriseError } from '../core/errors.ts'
import type { CompiledGraph } from '../flow/compile.ts'
import { templateOf } from '../flow/instances.ts'
import {
  type AwaitAnswer,
  type CancelAnswer,
  type ClaimAnswer,
  type ExpandAnswer,
  formatPlace,
  type Grant,
  type Place,
  type RawAnswer,
  type RefuseAnswer,
  type RunMoveAnswer,
  readAwaitAnswer,
  readCancelAnswer,
  readClaimAnswer,
  readExpandAnswer,
  readPlace,
  readRefuseAnswer,
  readRunMoveAnswer,
  readSettleAnswer,
  readValuesAnswer,
  type SettleAnswer,
  type StoredValue,
} from './answers.ts'
import { type MoveArguments, MoveBatch } from './batch.ts'
import type { RedisConnection } from './connection.ts'
import { servedQueues } from './fleet.ts'
import type { ShardKeys } from './keys.ts'
import { claimArguments, detailOf, payloadOf, rootText, valueAddress } from './move-arguments.ts'
import {
  type CoordinatorSettings,
  type Delivery,
  type GoOn,
  type MapChunk,
  type NewRun,
  type OpenedRun,
  type Outcome,
  type Slots,
  STOP,
} from './moves.ts'
import { withOwedTickets } from './owed-tickets.ts'
import { PAGE, readResults } from './results.ts'
import { childField, formatChild, readChild, type StoredChild } from './run-children.ts'
import { type LoggedAttempt, readLog, readNode } from './run-record.ts'
import type { Script } from './scripts.ts'
import { readGraph } from './stored-graphs.ts'
import { sweepCancelled } from './sweeps.ts'

/** Nodes that one `release` gives tickets, as lua/pause.lua has it. */
const RELEASED = 100

/** The moves on one shard: a typed function for each script; nobody else calls them. */
export class Coordinator {
  readonly keys: ShardKeys
  readonly #redis: RedisConnection
  readonly #batch: MoveBatch

  constructor(
    redis: RedisConnection,
    keys: ShardKeys,
    settings: CoordinatorSettings,
    script?: Script,
  ) {
    this.keys = keys
    this.#redis = redis
    const { retention, maxCrashes } = settings
    this.#batch = new MoveBatch(
      redis,
      keys.live,
      [keys.prefix, retention.succeededMs, retention.failedMs, maxCrashes],
      script,
    )
  }

  /** Creates the run iff it is unknown and claims its first root, else claims ticket 0 (lua/open.lua). */
  async open(delivery: Delivery, slots: Slots, run: NewRun): Promise<ClaimAnswer> {
    const { graph } = run
    const roots = run.roots.map(
      (root) => `${root.index}.${root.home ? 1 : 0}.${root.delayMs}.${root.place}`,
    )
    const args = [
      ...claimArguments(delivery, slots),
      run.fresh ? '1' : '0',
      graph.hash,
      graph.graph.nodes.filter(({ map }) => map === undefined).length,
      roots.join(','),
      run.grain,
      run.input,
      run.options,
      graph.graph.flow,
      formatPlace(run.place),
      run.job,
      [...run.maxCrashes].map(([index, limit]) => `${index}.${limit}`).join(','),
      run.isRetried ? '1' : '',
    ]
    const answer = readClaimAnswer(await this.#ask('open', delivery, args))
    if (answer.status !== 'refused' || answer.reason !== 'no_graph') return answer
    await this.#redis.hset(this.keys.graph(graph.hash), ...graph.fields)
    return readClaimAnswer(await this.#ask('open', delivery, args))
  }

  /** Grants attempts of the ticket's nodes to the delivery (lua/claim.lua). */
  async claim(delivery: Delivery, slots: Slots): Promise<ClaimAnswer> {
    const args = [delivery.runId, delivery.ticket, ...claimArguments(delivery, slots).slice(1)]
    return readClaimAnswer(await this.#ask('claim', delivery, args))
  }

  async #ask(move: string, { runId, size }: Delivery, args: MoveArguments): Promise<RawAnswer> {
    return withOwedTickets(this.#batch, runId, await this.#batch.run(move, args, size))
  }

  /** Records the end of an attempt and resolves what depends on it (lua/settle.lua). */
  async settle(
    delivery: Delivery,
    { graph, openedAt }: OpenedRun,
    index: number,
    attempt: number,
    outcome: Outcome,
    goOn: GoOn = STOP,
  ): Promise<SettleAnswer> {
    const { runId, ticket, lease } = delivery
    const whole = { subject: delivery, args: [runId, ticket, lease, openedAt, graph.hash] }
    const args = [
      index,
      attempt,
      outcome.kind,
      payloadOf(outcome),
      detailOf(outcome, graph.dependants[templateOf(index)] ?? ''),
      `${goOn.place}.${goOn.grain}.${goOn.slots}`,
      'child' in outcome ? (outcome.child ?? '') : '',
    ]
    const answer = await this.#batch.runPart('settle', whole, args)
    return readSettleAnswer(await withOwedTickets(this.#batch, runId, answer), openedAt)
  }

  /** Makes the instances of a map's body for one chunk of its items (lua/expand.lua). */
  async expand(
    delivery: Delivery,
    { graph, openedAt }: OpenedRun,
    { index, attempt }: Grant,
    chunk: MapChunk,
  ): Promise<ExpandAnswer> {
    const map = graph.instances.locate(index)
    const body = graph.instances.body(map.template)
    const args = [
      delivery.runId,
      delivery.ticket,
      index,
      attempt,
      delivery.lease,
      openedAt,
      graph.hash,
      chunk.first,
      graph.instances.itemInstance(map, chunk.first),
      `${body.stride}.${body.nodes.length}`,
      body.roots.map((root) => rootText(graph, root)).join(','),
      chunk.grain,
      chunk.items.map((item) => `${item}\n`).join(''),
    ]
    return readExpandAnswer(await this.#batch.run('expand', args, chunk.items.length))
  }

  /** Records a run that failed before anything ran (lua/refuse.lua). */
  async refuse(
    delivery: Delivery,
    run: { readonly reason: string; readonly flow: string; readonly job: string },
  ): Promise<RefuseAnswer> {
    const { runId, token, job, started } = delivery
    const args = [runId, token, job, started, run.reason, run.flow, run.job]
    return readRefuseAnswer(await this.#batch.run('refuse', args))
  }

  /**
   * Cancels a run, then the child runs that its nodes wait for, and theirs (lua/cancel.lua). Rejects when Redis can't be asked;
   * a run that was cancelled by then stays so, and the reconciler cancels the rest of its children.
   */
  async cancel(runId: string): Promise<CancelAnswer> {
    const answer = readCancelAnswer(await this.#batch.run('cancel', [runId]))
    if (answer.status === 'ok' && answer.isToSweep) await this.sweep(runId)
    return answer
  }

  /** Cancels the child runs that nodes of a cancelled run wait for, and theirs. */
  async sweep(runId: string): Promise<void> {
    await sweepCancelled({ redis: this.#redis, keys: this.keys, batch: this.#batch }, runId)
  }

  /** Cancelled runs whose children are not all cancelled, since `before` (epoch ms) or longer. */
  sweepsBefore(before: number, limit: number): Promise<string[]> {
    return this.#redis.zrangebyscore(this.keys.sweeps, '-inf', before, 'LIMIT', 0, limit)
  }

  /** Sets a run's pause flag (lua/pause.lua). */
  async pause(runId: string): Promise<RunMoveAnswer> {
    return readRunMoveAnswer(await this.#batch.run('pause', [runId]))
  }

  /**
   * Ends a pause and releases what it parked (lua/pause.lua); the caller adds the jobs of the tickets that the answer names. Rejects
   * when Redis can't be asked: the reconciler releases what is left then.
   */
  async resume(runId: string): Promise<RunMoveAnswer> {
    const answer = readRunMoveAnswer(await this.#batch.run('resume', [runId]))
    return answer.status === 'ok' ? await this.release(runId) : answer
  }

  /** Gives tickets to all nodes that a pause parked which is over. The caller adds their jobs. */
  async release(runId: string): Promise<RunMoveAnswer> {
    const first = await this.#releaseSome(runId)
    if (first.status === 'refused') return first
    const toAdd = [...first.toAdd]
    for (let { isPartial } = first; isPartial; ) {
      const next = await this.#releaseSome(runId)
      // It ended or was paused anew: what has its ticket by then is to be added all the same.
      if (next.status === 'refused') break
      toAdd.push(...next.toAdd)
      isPartial = next.isPartial
    }
    return { ...first, toAdd, isPartial: false }
  }

  async #releaseSome(runId: string): Promise<RunMoveAnswer> {
    return readRunMoveAnswer(await this.#batch.run('release', [runId], RELEASED))
  }

  /** Moves what a row holds to a new ticket, if the row still is what it was (lua/rescue.lua). */
  async rescue(runId: string, ticket: number, row: string): Promise<RunMoveAnswer> {
    return readRunMoveAnswer(await this.#batch.run('rescue', [runId, ticket, row]))
  }

  /** Gives a ticket to a node that no row holds, if the node still is what it was (lua/rescue.lua). */
  async adopt(runId: string, index: number, node: string): Promise<RunMoveAnswer> {
    return readRunMoveAnswer(await this.#batch.run('adopt', [runId, index, node]))
  }

  /** Lets a node go on whose lock is kept for it, if that attempt still waits (lua/wake.lua). */
  async wake(runId: string, index: number, attempt: number): Promise<RunMoveAnswer> {
    return readRunMoveAnswer(await this.#batch.run('wake', [runId, index, attempt]))
  }

  /** Remembers a child run that a call of a node's handler started (lua/record-child.lua). */
  async recordChild(
    runId: string,
    index: number,
    key: string,
    child: StoredChild,
  ): Promise<RunMoveAnswer> {
    const args = [runId, index, key, formatChild(child)]
    return readRunMoveAnswer(await this.#batch.run('recordChild', args))
  }

  /** Remembers that an attempt starts a child run and waits for its end (lua/await-child.lua). */
  async awaitChild(
    delivery: Delivery,
    { index, attempt }: Pick<Grant, 'index' | 'attempt'>,
    key: string,
    child: StoredChild,
  ): Promise<AwaitAnswer> {
    const { runId, ticket, lease } = delivery
    const args = [runId, ticket, index, attempt, lease, key, child.runId, child.flow]
    return readAwaitAnswer(await this.#batch.run('awaitChild', args))
  }

  /** The child run that a call of a node's handler started before, or null. */
  async readChild(runId: string, index: number, key: string): Promise<StoredChild | null> {
    const text = await this.#redis.hget(this.keys.run(runId), childField(index, key))
    return text === null ? null : readChild(text)
  }

  /** Values that a worker lacks (lua/read-values.lua), in pages. */
  async readValues(
    runId: string,
    graph: CompiledGraph,
    indices: readonly number[],
    withInput: boolean,
  ): Promise<{ readonly values: readonly StoredValue[]; readonly input: string }> {
    const values: StoredValue[] = []
    let input = ''
    for (let from = 0; from === 0 || from < indices.length; from += PAGE) {
      const wanted = indices.slice(from, from + PAGE).map((index) => valueAddress(graph, index))
      const args = [runId, wanted.join(','), withInput && from === 0 ? '1' : '0']
      const page = readValuesAnswer(await this.#batch.run('readValues', args, wanted.length))
      values.push(...page.values)
      if (from === 0) input = page.input
    }
    return { values, input }
  }

  /** The results of nodes that were too large to come with the claim (R25). */
  readResults(runId: string, indices: readonly number[]): Promise<Map<number, string>> {
    return readResults(this.#redis, this.keys, runId, indices)
  }

  /** A stored graph, by its content hash. */
  readGraph(hash: string): Promise<CompiledGraph> {
    return readGraph(this.#redis, this.keys, hash)
  }

  /** The queues that a worker has served in the last `withinMs`. */
  servedQueues(withinMs: number): Promise<string[]> {
    return servedQueues(this.#redis, this.keys, withinMs)
  }

  /** The graph's hash and the place of a run. */
  async readRunFacts(
    runId: string,
  ): Promise<{ readonly graph: string; readonly place: Place | null }> {
    const [graph, place] = await this.#redis.hmget(this.keys.run(runId), 'g', 'p')
    if (!graph) throw new RepriseError('internal', `the run ${runId} has no graph`)
    return { graph, place: readPlace(place ?? '') }
  }

  /** How many attempts a node had; 0 if the run is gone. */
  async readAttempts(runId: string, index: number): Promise<number> {
    const packed = await this.#redis.hget(this.keys.run(runId), `n${index}`)
    return packed === null ? 0 : readNode(packed, 0).attempts
  }

  /** The ended attempts of a node, oldest first. `openedAt`: when the run was opened, epoch ms. */
  async readNodeLog(runId: string, index: number, openedAt: number): Promise<LoggedAttempt[]> {
    const log = await this.#redis.hget(this.keys.log(runId), String(index))
    return readLog(log ?? '', openedAt)
  }
}
