/** How the attempts of a node end, one after the other, if it runs at all. */
export interface Script {
  /** Attempts that fail before the last one. */
  readonly errors: number
  /** How they fail: by what they throw, by `fail()`, or by a result that `failWhen` refuses. */
  readonly by: 'throw' | 'fail' | 'failWhen'
  /** How the last attempt ends: `exhaust` fails like those before, and no retry is left. */
  readonly last: 'succeed' | 'exhaust' | 'abandon' | 'skip'
  readonly maxRetries: number
}

/** Any, of a node that has a policy of its own. */
export function drawScript(draw: (choices: number) => number): Script {
  const errors = draw(3)
  const by = (['throw', 'throw', 'fail', 'failWhen'] as const)[draw(4)] ?? 'throw'
  const kind = draw(11)
  if (kind < 5) return { errors: 0, by, last: 'succeed', maxRetries: draw(3) }
  if (kind < 7) return { errors: 1 + errors, by, last: 'succeed', maxRetries: 1 + errors + draw(2) }
  if (kind < 9) return { errors, by, last: 'exhaust', maxRetries: errors }
  if (kind < 10) return { errors, by, last: 'skip', maxRetries: errors }
  return { errors, by, last: 'abandon', maxRetries: errors + 1 }
}

/** Of nodes that have one policy. */
export function scriptWithin(
  maxRetries: number,
  ends: readonly Script['last'][],
  draw: (choices: number) => number,
): Script {
  const errors = draw(maxRetries + 1)
  const by = (['throw', 'fail', 'failWhen'] as const)[draw(3)] ?? 'throw'
  const last = ends[draw(ends.length)] ?? 'succeed'
  return { errors: last === 'exhaust' ? maxRetries : errors, by, last, maxRetries }
}
