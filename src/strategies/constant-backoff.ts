import { policyDuration } from './duration-limits.ts'

/** The same delay before every retry: d. */
export type ConstantBackoff = {
  readonly kind: 'constant'
  /** Milliseconds. */
  readonly delay: number
}

export const constantShape = { delay: policyDuration }

/** d */
export function constantDelay({ delay }: Pick<ConstantBackoff, 'delay'>): number {
  return delay
}
