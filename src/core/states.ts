/** The state of a node in a run. The last five are final. */
export type NodeState = 'pending' | 'ready' | 'running' | 'retrying' | 'waiting' | FinalNodeState

/** A state that a node doesn't leave, unless somebody retries it. */
export type FinalNodeState = 'succeeded' | 'failed' | 'skipped' | 'upstream_failed' | 'cancelled'

/** The state of a run. The last three are final. */
export type RunState =
  | 'scheduled'
  | 'queued'
  | 'running'
  | 'retrying'
  | 'waiting'
  | 'paused'
  | FinalRunState

/** How a run ended. */
export type FinalRunState = 'succeeded' | 'failed' | 'cancelled'

/** True for a state that ends a node. */
export function isFinalNodeState(state: NodeState): state is FinalNodeState {
  switch (state) {
    case 'succeeded':
    case 'failed':
    case 'skipped':
    case 'upstream_failed':
    case 'cancelled':
      return true
    default:
      return false
  }
}

/** True for a run that has ended. */
export function isFinalRunState(state: RunState): state is FinalRunState {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled'
}
