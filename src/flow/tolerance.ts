/** True for what says how many items of a map may fail: a whole number from 0, or a fraction between 0 and 1. */
export function isTolerance(value: unknown): value is number {
  if (typeof value !== 'number') return false
  return (value > 0 && value < 1) || (Number.isSafeInteger(value) && value >= 0)
}
