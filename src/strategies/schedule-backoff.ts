import { policyDuration } from './duration-limits.ts'
import { listOf } from './option-schemas.ts'

/** Written-down delays; the last one repeats. */
export type ScheduleBackoff = {
  readonly kind: 'schedule'
  /** Milliseconds, at least one entry. */
  readonly delays: readonly number[]
}

export const scheduleShape = {
  delays: listOf(policyDuration, 'durations')
    .min(1, 'expected at least one delay, got an empty list')
    .max(1_000, 'expected at most 1000 delays'),
}

/** The nth delay, or the last one when there are fewer. */
export function scheduleDelay({ delays }: Pick<ScheduleBackoff, 'delays'>, n: number): number {
  const delay = delays[Math.min(n, delays.length) - 1]
  if (delay === undefined) throw new RangeError(`a schedule has no delay for retry ${n}`)
  return delay
}
