import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** The fragments of the composed script, in the order in which they are defined: one idea a file. */
export const FRAGMENTS = [
  'lib/prelude',
  'lib/node',
  'lib/row',
  'lib/run',
  'lib/lease',
  'lib/triggers',
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
  'record-child',
  'moves',
] as const

/** The name of a Lua file. */
export type Fragment = (typeof FRAGMENTS)[number]

/** A Lua script with the hash by which Redis knows it. */
export interface Script {
  readonly source: string
  readonly sha: string
}

/** Reads and composes the fragments into the one script that a coordinator calls. The first is for all others. */
export function loadMoves(read: (fragment: Fragment) => string = readFragment): Script {
  const [prelude, ...moves] = FRAGMENTS.map((name) => read(name))
  // Every call of a script defines its functions anew. Lua looks up a local that a function captures in a list of all that
  // were captured so far, but takes what an enclosing function has captured as it is: so one function holds all moves.
  const source = [prelude, 'local function perform()', ...moves, 'end', 'return perform()'].join(
    '\n',
  )
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

/** The text of a Lua file. */
export function readFragment(name: Fragment): string {
  return readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8')
}
