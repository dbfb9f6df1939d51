import { RepriseError } from '../core/errors.ts'
import type { RecordedDecision } from '../core/failure.ts'
import type { Rerun } from '../core/lineage.ts'
import {
  type ClaimAnswer,
  type Place,
  type RawAnswer,
  type RunMoveAnswer,
  readClaimAnswer,
  readPlace,
  readRunMoveAnswer,
} from './answers.ts'
import { MoveBatch } from './batch.ts'
import type { RedisConnection } from './connection.ts'
import { type CreatingRerun, readCreating } from './creating-rerun.ts'
import type { ShardKeys } from './keys.ts'
import { claimArguments } from './move-arguments.ts'
import type { CoordinatorSettings, Delivery, Root, Slots } from './moves.ts'
import { withOwedTickets } from './owed-tickets.ts'
import type { CopyChunk } from './rerun-copy.ts'
import { loadRerunMoves } from './scripts.ts'

/** A rerun that was made: its job is to be added. */
export interface CreatedRerun {
  readonly status: 'ok'
  readonly runId: string
  readonly place: Place | null
  readonly flow: string
}

/** Why no rerun was made; lua/rerun.lua. */
export interface RefusedRerun {
  readonly status: 'refused'
  readonly reason:
    | 'no_run'
    | 'changed'
    | 'live'
    | 'refused'
    | 'retry_due'
    | 'has_live_rerun'
    | 'no_graph'
  /** The rerun that is still to end, for `has_live_rerun`. */
  readonly runId: string
}

/** What `openRerun` needs to know. */
export interface RerunToOpen {
  readonly graph: string
  /** How many nodes it does not reuse. */
  readonly left: number
  readonly starts: readonly Root[]
  readonly grain: number
  readonly options: string
  readonly rootId: string
  readonly maxCrashes: ReadonlyMap<number, number>
  /** A failed end asks for an automatic retry. */
  readonly isRetried: boolean
}

/** Why a retry in place was refused; lua/retry-nodes.lua. */
export type RetryRefusal =
  | 'no_run'
  | 'succeeded'
  | 'cancelled'
  | 'refused'
  | 'creating'
  | 'not_failed'
  | 'has_rerun'
  | 'descendant_started'

/** The moves of reruns and of manual retries: a typed function for each; nobody else calls them. */
export class Reruns {
  readonly #redis: RedisConnection
  readonly #keys: ShardKeys
  readonly #batch: MoveBatch

  constructor(redis: RedisConnection, keys: ShardKeys, settings: CoordinatorSettings) {
    this.#redis = redis
    this.#keys = keys
    const { retention, maxCrashes } = settings
    this.#batch = new MoveBatch(
      redis,
      keys.live,
      [keys.prefix, retention.succeededMs, retention.failedMs, maxCrashes],
      loadRerunMoves(),
    )
  }

  /** Makes the next rerun of an ended run: by hand, or the automatic retry that is due. The caller adds its job. */
  async create(
    runId: string,
    options: string,
    { by }: Pick<Rerun, 'by'>,
    delayMs: number,
    decision: RecordedDecision | null,
  ): Promise<CreatedRerun | RefusedRerun> {
    const args = [runId, by, options, delayMs, decision ? JSON.stringify(decision) : '']
    return readCreated(await this.#batch.run('createRerun', args))
  }

  /** Records that a failed run is not retried as a whole. */
  async decline(runId: string, decision: RecordedDecision): Promise<void> {
    await this.#batch.run('declineRetry', [runId, JSON.stringify(decision)])
  }

  /** Forgets a run in the list of due retries that is not due (any more). */
  async forget(runId: string): Promise<void> {
    await this.#batch.run('declineRetry', [runId, ''])
  }

  /** `due`: its retry is to be decided; the id of the run that retries it; null for neither. */
  async retryOf(runId: string): Promise<string | null> {
    const duty = await this.#redis.hget(this.#keys.run(runId), 'rd')
    return duty === '-' ? null : duty
  }

  /** Copies a part of what a rerun reuses. */
  async copy(
    { runId, token, job, started }: Delivery,
    { indices, counts }: CopyChunk,
  ): Promise<'ok' | 'lease' | 'changed' | 'expired'> {
    const args = [runId, token, job, started, indices, counts]
    const answer = await this.#batch.run('copyReused', args)
    return statusOf(answer) as 'ok' | 'lease' | 'changed' | 'expired'
  }

  /** Opens a rerun and claims the first of its nodes; afterwards claims ticket 0. */
  async open(delivery: Delivery, slots: Slots, rerun: RerunToOpen): Promise<ClaimAnswer> {
    const starts = rerun.starts.map(
      ({ index, home, delayMs, place }) => `${index}.${home ? 1 : 0}.${delayMs}.${place}`,
    )
    const args = [
      ...claimArguments(delivery, slots),
      rerun.graph,
      rerun.left,
      starts.join(','),
      rerun.grain,
      rerun.options,
      rerun.rootId,
      [...rerun.maxCrashes].map(([index, limit]) => `${index}.${limit}`).join(','),
      rerun.isRetried ? '1' : '',
    ]
    const answer = await this.#batch.run('openRerun', args)
    return readClaimAnswer(await withOwedTickets(this.#batch, delivery.runId, answer))
  }

  /** Ends a rerun before anything ran. `reason`: as a refused run has it; `decision`: for the run that it repeats. */
  async refuse(
    { runId, token, job, started }: Delivery,
    reason: string,
    decision: RecordedDecision,
  ): Promise<'ok' | 'lease' | 'run_exists'> {
    const args = [runId, token, job, started, reason, JSON.stringify(decision)]
    const answer = await this.#batch.run('refuseRerun', args)
    return statusOf(answer) as 'ok' | 'lease' | 'run_exists'
  }

  /** Retries a failed node in place, or all (null). The caller adds the jobs of the tickets. */
  async retryNodes(
    runId: string,
    index: number | null,
  ): Promise<
    | Extract<RunMoveAnswer, { status: 'ok' }>
    | { readonly status: 'refused'; readonly reason: RetryRefusal }
  > {
    const answer = await this.#batch.run('retryNodes', [runId, index ?? ''])
    if (answer[0] === 'refused') return { status: 'refused', reason: answer[1] as RetryRefusal }
    const read = readRunMoveAnswer(answer)
    if (read.status === 'refused') throw new RepriseError('internal', `refused: ${read.reason}`)
    return read
  }

  /** The rerun with this id, if no worker has opened it. */
  readCreating(runId: string): Promise<CreatingRerun | null> {
    return readCreating(this.#redis, this.#keys, runId)
  }

  /** True if the graph is stored. */
  async hasGraph(hash: string): Promise<boolean> {
    return (await this.#redis.exists(this.#keys.graph(hash))) === 1
  }

  /** The options that a run was opened with, JSON, or ''. */
  async readOptions(runId: string): Promise<string> {
    return (await this.#redis.hget(this.#keys.run(runId), 'o')) ?? ''
  }

  /** Failed runs about whose retry nobody has decided since `before` (epoch ms). */
  dueRetries(before: number, limit: number): Promise<string[]> {
    return this.#redis.zrangebyscore(this.#keys.duties, '-inf', before, 'LIMIT', 0, limit)
  }
}

function readCreated(answer: RawAnswer): CreatedRerun | RefusedRerun {
  const [, first, second, third] = answer.map(String)
  switch (statusOf(answer)) {
    case 'ok':
      return {
        status: 'ok',
        runId: first ?? '',
        place: readPlace(second ?? ''),
        flow: third ?? '',
      }
    default:
      return {
        status: 'refused',
        reason: first as RefusedRerun['reason'],
        runId: second ?? '',
      }
  }
}

/** The word that an answer begins with, or why it refuses. */
function statusOf(answer: RawAnswer): string {
  if (answer[0] === 'error') {
    throw new RepriseError('internal', `a move failed in Redis: ${String(answer[1])}`)
  }
  return answer[0] === 'refused' ? String(answer[1]) : String(answer[0])
}
