import { DefinitionError } from '../core/errors.ts'
import { quote } from '../strategies/option-schemas.ts'

/** The triggers without a number, each with the letter by which the scripts know it (lua/lib/triggers.lua). */
const LETTERS = {
  all_success: 's',
  all_failed: 'a',
  all_done: 'd',
  any_success: 'o',
  any_failed: 'f',
  any_success_fast: 'O',
  any_failed_fast: 'F',
  none_failed: 'n',
  none_failed_min_one_success: 'm',
  none_skipped: 'w',
  all_skipped: 'z',
} as const

/** The letters of the triggers that count upstreams. */
const COUNT_LETTERS = {
  at_least: { success: 'p', failed: 'q' },
  at_most: { success: 'P', failed: 'Q' },
} as const

/** A trigger without a number. docs/flows.md says what each does. */
export type NamedTrigger = keyof typeof LETTERS

/** A trigger that counts upstreams. Made by `atLeast` and `atMost`. */
export interface CountTrigger {
  readonly kind: 'at_least' | 'at_most'
  /** A number of upstreams, or, below 1, a fraction of them. */
  readonly count: number
  readonly of: 'success' | 'failed'
}

/**
 * When a node runs, seen from its upstreams. It is evaluated when all of them are final, a `_fast` one as soon as it
 * holds. `upstream_failed` counts as failed; a skip that doesn't propagate counts as a success.
 */
export type Trigger = NamedTrigger | CountTrigger

/** All triggers without a number. */
// Trust border: the keys of a literal.
export const NAMED_TRIGGERS = Object.keys(LETTERS) as NamedTrigger[]

/**
 * The trigger that fires if at least so many upstreams succeeded, or failed.
 *
 * @param count a whole number from 1, or a fraction of the upstreams between 0 and 1 (rounded up)
 * @example
 * publish.with({ trigger: atLeast(2, 'success'), after: [north, south, west] })({})
 * @throws DefinitionError for another count
 */
export function atLeast(count: number, of: CountTrigger['of']): CountTrigger {
  return countTrigger('at_least', 'atLeast', count, of)
}

/**
 * The trigger that fires if at most so many upstreams succeeded, or failed.
 *
 * @param count a whole number from 0, or a fraction of the upstreams between 0 and 1 (rounded down)
 * @example
 * publish.with({ trigger: atMost(0.1, 'failed'), after: parts })({})
 * @throws DefinitionError for another count
 */
export function atMost(count: number, of: CountTrigger['of']): CountTrigger {
  return countTrigger('at_most', 'atMost', count, of)
}

function countTrigger(
  kind: CountTrigger['kind'],
  call: string,
  count: number,
  of: CountTrigger['of'],
): CountTrigger {
  const trigger = { kind, count, of }
  if (isTrigger(trigger)) return Object.freeze(trigger)
  const least = kind === 'at_least' ? 1 : 0
  throw new DefinitionError(
    `${call}(count, of): expected a whole number from ${least} or a fraction between 0 and 1, and 'success' or 'failed', got ${quote(count)} and ${quote(of)}`,
  )
}

/** True for a trigger that this version knows. */
export function isTrigger(value: unknown): value is Trigger {
  if (typeof value === 'string') return Object.hasOwn(LETTERS, value)
  if (typeof value !== 'object' || value === null) return false
  const { kind, count, of, ...rest }: Record<string, unknown> = { ...value }
  if (kind !== 'at_least' && kind !== 'at_most') return false
  if (of !== 'success' && of !== 'failed') return false
  return isCount(count, kind === 'at_least' ? 1 : 0) && Object.keys(rest).length === 0
}

function isCount(count: unknown, least: number): boolean {
  if (typeof count !== 'number') return false
  return count > 0 && count < 1 ? true : Number.isSafeInteger(count) && count >= least
}

/** How messages call a trigger. */
export function triggerText(trigger: Trigger): string {
  if (typeof trigger === 'string') return `'${trigger}'`
  const call = trigger.kind === 'at_least' ? 'atLeast' : 'atMost'
  return `${call}(${trigger.count}, '${trigger.of}')`
}

/** True for a trigger that fires for failures only, and whose node is not needed without one. */
export function waitsForFailure(trigger: Trigger): boolean {
  if (typeof trigger !== 'string') return trigger.kind === 'at_least' && trigger.of === 'failed'
  return trigger === 'all_failed' || trigger === 'any_failed' || trigger === 'any_failed_fast'
}

/** True for a trigger that fires as soon as it holds. */
export function isFast(trigger: Trigger): boolean {
  return trigger === 'any_success_fast' || trigger === 'any_failed_fast'
}

/** Whether skips propagate through a trigger unless the node says otherwise. */
export function propagatesSkips(trigger: Trigger): boolean {
  return trigger === 'all_success'
}

/** How many upstreams a trigger that counts asks for. */
export function thresholdOf({ kind, count }: CountTrigger, upstreams: number): number {
  if (count === 0 || count >= 1) return count
  // 0.1 * 30 is a little more than 3 in binary.
  const exact = Number((count * upstreams).toFixed(6))
  return kind === 'at_least' ? Math.ceil(exact) : Math.floor(exact)
}

/**
 * A trigger as the scripts know it: its letter, `k` where skips propagate although they don't by themselves, its number.
 * An `all_success` through which no skip propagates is `none_failed`.
 */
export function ruleOfTrigger(
  trigger: Trigger,
  skipOnUpstreamSkip: boolean | undefined,
  upstreams: number,
): string {
  if (trigger === 'all_success') {
    return skipOnUpstreamSkip === false ? LETTERS.none_failed : LETTERS.all_success
  }
  const propagates = skipOnUpstreamSkip ? 'k' : ''
  if (typeof trigger === 'string') return LETTERS[trigger] + propagates
  const letter = COUNT_LETTERS[trigger.kind][trigger.of]
  return letter + propagates + thresholdOf(trigger, upstreams)
}
