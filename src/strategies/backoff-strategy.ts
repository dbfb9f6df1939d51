import { DefinitionError } from '../core/errors.ts'
import { type RecordedDecision, storeError } from '../core/failure.ts'
import type { Json } from '../core/json.ts'
import { decideRetry } from './decide.ts'
import { drawFor } from './draw.ts'
import type { FailureFacts } from './policy-failure.ts'
import { PolicyRegistry, pluginNames } from './policy-registry.ts'
import type { Policy } from './policy-types.ts'
import { scheduleOf } from './preview.ts'
import { stop } from './rules.ts'
import { type RetryOption, toPolicy } from './shorthand.ts'

/** What a BullMQ job tells a backoff strategy. BullMQ's own jobs fit. */
export interface StrategyJob {
  readonly id?: string | undefined
  readonly name: string
  readonly data: unknown
  readonly queueName: string
  readonly opts: { readonly priority?: number | undefined }
  /** Epoch ms. */
  readonly timestamp: number
  readonly processedOn?: number | undefined
}

/** The options of {@link backoffStrategy}. */
export interface BackoffStrategyOptions {
  /** Hears of every decision, with its reason. Ignored if absent; what it throws becomes a process warning. */
  readonly onDecision?: ((decision: RecordedDecision, job: StrategyJob | null) => void) | undefined
  /**
   * The time, in epoch ms.
   * @default Date.now
   */
  readonly now?: (() => number) | undefined
}

/** A BullMQ `settings.backoffStrategy`: ms to wait, at least 1, or -1 to fail the job for good. */
export type BackoffStrategy = (
  attemptsMade: number,
  type?: string,
  error?: Error,
  job?: StrategyJob,
) => Promise<number>

/** What BullMQ takes as "fail this job for good". */
const FAIL = -1

/**
 * Our policies for plain BullMQ workers, without flows. A job names its policy by `backoff: { type }`, and needs an
 * `attempts` that is larger than any limit of the policy, for BullMQ looks at it first. It never throws or rejects, and
 * never gives BullMQ a number that would lose a job: what goes wrong is a decision to stop.
 *
 * There is no history: `maxElapsed` counts from when the job was added, and crashes are BullMQ's (`maxStalledCount`). A
 * plug-in that moves its job to another queue or priority is stopped. Budgets and breakers don't hold: they are asked before
 * an attempt.
 *
 * @param policies by the `type` of the jobs' backoff
 * @throws DefinitionError for a bad policy, and for a plug-in that is given by its name only
 *
 * @example
 * new BullWorker('mails', send, {
 *   settings: { backoffStrategy: backoffStrategy({ mail: policy.exponential({ maxRetries: 5 }) }) },
 * })
 * queue.add('mail', data, { attempts: 1_000, backoff: { type: 'mail' } })
 */
export function backoffStrategy(
  policies: { readonly [type: string]: RetryOption },
  options: BackoffStrategyOptions = {},
): BackoffStrategy {
  const byType = new Map(
    Object.entries(policies).map(([type, retry]) => [type, ownPolicy(retry, type)]),
  )
  return async (attemptsMade, type = '', error, job) => {
    const policy = byType.get(type)
    const decision =
      policy === undefined
        ? unknownType(type, byType)
        : await decide(policy, attemptsMade, error, job, (options.now ?? Date.now)())
    announce(options, decision, job ?? null)
    return decision.action === 'retry' ? Math.max(1, decision.delayMs) : FAIL
  }
}

function ownPolicy(retry: RetryOption, type: string): Policy {
  const policy = toPolicy(retry, `backoffStrategy: ${type}`)
  const bound = new PolicyRegistry([]).bind(policy)
  if ('policy' in bound) return bound.policy
  throw new DefinitionError(
    `backoffStrategy: ${type}: ${bound.missing} is a plug-in's name; give what its function returns instead`,
  )
}

function unknownType(type: string, known: ReadonlyMap<string, Policy>): RecordedDecision {
  const list = [...known.keys()].join(', ') || 'none'
  return stop('policy_error', `no policy has the type ${JSON.stringify(type)}; known are: ${list}`)
}

async function decide(
  policy: Policy,
  attemptsMade: number,
  thrown: Error | undefined,
  job: StrategyJob | undefined,
  now: number,
): Promise<RecordedDecision> {
  const retriesUsed = Math.max(0, attemptsMade - 1)
  const queue = job?.queueName ?? ''
  const draw = (n: number) => drawFor(queue, job?.id ?? '', n)
  try {
    const decision = await decideRetry({
      policy,
      failure: {
        ...factsOf(thrown, attemptsMade, job, now),
        delays: pastDelays(policy, retriesUsed, thrown, draw),
      },
      thrown,
      retriesUsed,
      now,
      random: () => draw(retriesUsed + 1),
    })
    if (decision.action === 'stop') return decision
    if (decision.place) {
      return stop('policy_error', "a plain BullMQ job can't be moved by its policy")
    }
    return decision.lock ? stop('policy_error', "a plain BullMQ job can't be locked") : decision
  } catch (cause) {
    return stop('policy_error', storeError(cause).message)
  }
}

/** The delays so far, drawn again: BullMQ stores none. Those of a plug-in can't be known. */
function pastDelays(
  policy: Policy,
  retriesUsed: number,
  thrown: Error | undefined,
  draw: (n: number) => number,
): number[] {
  if (retriesUsed === 0 || pluginNames(policy).length > 0) return []
  return scheduleOf(policy, retriesUsed, thrown, draw).map(({ delayMs }) => delayMs)
}

function factsOf(
  thrown: Error | undefined,
  attempt: number,
  job: StrategyJob | undefined,
  now: number,
): Omit<FailureFacts, 'delays'> {
  const { id = '', name = '', queueName = '', timestamp = now } = job ?? {}
  return {
    kind: 'error',
    error: storeError(thrown),
    attempt,
    retryNumber: Math.max(0, attempt - 1),
    node: name,
    task: name,
    flow: queueName,
    run: { id, rootId: id },
    // Trust border: BullMQ keeps a job's data as JSON.
    input: (job?.data ?? null) as Json,
    priority: job?.opts.priority ?? 0,
    queue: queueName,
    lock: null,
    startedAt: job?.processedOn ?? timestamp,
    firstStartedAt: timestamp,
  }
}

function announce(
  { onDecision }: BackoffStrategyOptions,
  decision: RecordedDecision,
  job: StrategyJob | null,
): void {
  try {
    onDecision?.(decision, job)
  } catch (thrown) {
    process.emitWarning(`backoffStrategy: onDecision threw: ${storeError(thrown).message}`)
  }
}
