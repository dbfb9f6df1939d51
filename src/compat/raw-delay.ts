import { DefinitionError } from '../core/errors.ts'
import { storeError } from '../core/failure.ts'
import { choosePart } from '../strategies/choose-part.ts'
import { uncappedDelay } from '../strategies/delay.ts'
import type { Policy } from '../strategies/policy-types.ts'

/**
 * The delay of retry `n` as a policy's formulas give it, in milliseconds: a double, before rounding and capping. Limits
 * and matchers are not looked at; of `policy.rules` the rule for any error counts.
 *
 * @param n the number of the retry, from 1
 * @param random the draw in [0, 1), or a source of it, where the policy has jitter
 * @throws DefinitionError for a policy without delays, and for a plug-in
 */
export function rawDelay(
  policy: Policy,
  n: number,
  random: number | (() => number) = Math.random,
): number {
  const { policy: part, before } = choosePart(
    policy,
    storeError(new Error('any')),
    undefined,
    n - 1,
  )
  if (part?.type !== 'delay') {
    throw new DefinitionError(
      `rawDelay(): expected a policy that computes its delays, got ${part?.type ?? 'no rule'}`,
    )
  }
  return uncappedDelay(part.spec, n - before, typeof random === 'number' ? () => random : random)
}
