import type { Json } from '../../src/core/json.ts'
import type { KnownValues, NodeOutcome } from '../../src/flow/values.ts'

/** A run of which only these outcomes, items and counts are known. */
export function knownOf(
  outcomes: Readonly<Record<number, NodeOutcome | undefined>>,
  parts: {
    readonly items?: Readonly<Record<number, Json>>
    readonly counts?: Readonly<Record<number, number>>
    readonly input?: Json
  } = {},
): KnownValues {
  return {
    outcome: (index) => outcomes[index],
    item: (index) => parts.items?.[index],
    itemCount: (group) => parts.counts?.[group] ?? 0,
    input: () => parts.input,
  }
}
