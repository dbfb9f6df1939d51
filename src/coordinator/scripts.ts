import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** The fragments of the runs' composed script, in the order in which they are defined: one idea a file. */
export const FRAGMENTS = [
  'lib/prelude',
  'lib/node',
  'lib/row',
  'lib/run',
  'lib/lease',
  'lib/resolve',
  'lib/tickets',
  'lib/crash',
  'lib/values',
  'lib/grant',
  'retry-row',
  'claim',
  'open',
  'refuse',
  'settle',
  'read-values',
  'cancel',
  'pause',
  'rescue',
  'moves',
  'lib/make-moves',
] as const

/** The fragments of the small script for limits that runs share: no run that has none pays for them. */
export const SHARED_FRAGMENTS = [
  'shared/prelude',
  'shared/line',
  'shared/window',
  'shared/budget',
  'shared/breaker',
  'shared/moves',
  'lib/make-moves',
] as const

/** A Lua script with the hash by which Redis knows it. */
export interface Script {
  readonly source: string
  readonly sha: string
}

/** Reads and composes the one script that a coordinator calls. */
export function loadMoves(): Script {
  return compose(FRAGMENTS)
}

/** Reads and composes the script of the limits that runs share. */
export function loadSharedMoves(): Script {
  return compose(SHARED_FRAGMENTS)
}

/** Composes fragments; the first is for all others. */
function compose(fragments: readonly string[]): Script {
  const [prelude, ...moves] = fragments.map((name) =>
    readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8'),
  )
  // Every call of a script defines its functions anew. Lua looks up a local that a function captures in a list of all that
  // were captured so far, but takes what an enclosing function has captured as it is: so one function holds all moves.
  const source = [prelude, 'local function perform()', ...moves, 'end', 'return perform()'].join(
    '\n',
  )
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}
