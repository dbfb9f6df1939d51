import type { Failure, RecordedDecision } from '../core/failure.ts'
import type { RunRetry } from '../core/lineage.ts'
import { decideRetry } from './decide.ts'
import type { FailureFacts } from './policy-failure.ts'
import { policyFromJson } from './policy-json.ts'
import type { Policy } from './policy-types.ts'
import { stop } from './rules.ts'

/** A run that has failed, as its retry is decided. */
export interface FailedRun {
  readonly runRetry: RunRetry
  /** The failure that its policy is asked about: that of the node that made the run fail. */
  readonly failure: FailureFacts
  /** The failures of all nodes that made it fail. */
  readonly failures: readonly Failure[]
  /** How many automatic retries of the whole run came before. */
  readonly retriesUsed: number
  /** Milliseconds since 1970 by Redis' clock. */
  readonly now: number
  /** The kill switch. */
  readonly retries: 'on' | 'off'
  /** The source of the random number in [0, 1). */
  readonly random: () => number
}

/**
 * Decides whether and when a failed run is retried as a whole. The order: `retries: 'off'`, `kinds`, `maxRetries`, then the
 * rules of the policy, about the failure that ended the run; an error that asks for no retry ends the lineage. It never throws.
 */
export async function decideRunRetry(run: FailedRun): Promise<RecordedDecision> {
  const { runRetry, failure, failures, retriesUsed, now, retries, random } = run
  const { maxRetries, kinds } = runRetry
  const strange = kinds && failures.find(({ kind }) => !kinds.includes(kind))
  if (retries === 'on' && strange) {
    return stop('not_in_kinds', `${strange.kind} is not in kinds: ${kinds.join(', ')}`)
  }
  if (retries === 'on' && retriesUsed >= maxRetries) {
    return stop('exhausted', `${retriesUsed} of ${maxRetries} retries of the run used`)
  }
  try {
    const policy = policyOf(runRetry)
    return await decideRetry({ policy, failure, retriesUsed, now, retries, random })
  } catch (thrown) {
    return stop('policy_error', thrown instanceof Error ? thrown.message : String(thrown))
  }
}

function policyOf({ policy, maxRetries }: RunRetry): Policy {
  const data = policy ?? { kind: 'constant', delay: 0 }
  return policyFromJson(hasOwnLimit(data) ? { ...data, maxRetries } : data, 'runRetry.policy')
}

/** The run's limit takes the place of a plain policy's own; the parts of a composed one share their retries out. */
function hasOwnLimit(policy: object): boolean {
  return 'kind' in policy && !['none', 'rules', 'chain'].includes(String(policy.kind))
}
