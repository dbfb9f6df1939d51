import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** What all scripts that change runs are made of, in the order in which it is defined: one idea a file. */
const RUN_FRAGMENTS = [
  'lib/prelude',
  'lib/error-answer',
  'lib/node',
  'lib/log',
  'lib/row',
  'lib/run',
  'lib/lease',
  'lib/triggers',
  'lib/counts',
  'lib/instances',
  'lib/groups',
  'lib/resolve',
  'lib/tickets',
  'lib/run-end',
  'lib/crash',
  'lib/values',
  'lib/grant',
  'retry-row',
  'claim',
  'owed',
  'lib/begin',
] as const

/** The fragments of the runs' composed script. */
export const FRAGMENTS = [
  ...RUN_FRAGMENTS,
  'open',
  'refuse',
  'settle',
  'expand',
  'read-values',
  'cancel',
  'pause',
  'rescue',
  'record-child',
  'await-child',
  'wake',
  'moves',
  'lib/make-moves',
] as const

/** The fragments of the script for reruns and manual retries: no run that is never repeated pays for them. */
export const RERUN_FRAGMENTS = [
  ...RUN_FRAGMENTS,
  'rerun',
  'retry-nodes',
  'rerun-moves',
  'lib/make-moves',
] as const

/** The fragments of the small script for limits that runs share: no run that has none pays for them. */
export const SHARED_FRAGMENTS = [
  'shared/prelude',
  'lib/error-answer',
  'shared/line',
  'shared/window',
  'shared/budget',
  'shared/breaker',
  'shared/lock',
  'shared/moves',
  'lib/make-moves',
] as const

/** The name of a Lua file. */
export type Fragment =
  | (typeof FRAGMENTS)[number]
  | (typeof RERUN_FRAGMENTS)[number]
  | (typeof SHARED_FRAGMENTS)[number]

/** Gives the text of a Lua file; a test may change it on its way. */
export type FragmentReader = (fragment: Fragment) => string

/** A script in its two forms: for `EVALSHA`, and as a library of one Redis Function (Redis 7). */
export interface Script {
  readonly source: string
  /** The hash by which Redis knows `source`. */
  readonly sha: string
  /** The source of the library. */
  readonly library: string
  /** The name of the library and of its function, made of what is in it: those of other versions go on beside it. */
  readonly functionName: string
}

/** Reads and composes the script of a coordinator. */
export function loadMoves(read: FragmentReader = readFragment): Script {
  return compose(FRAGMENTS, read)
}

/** Reads and composes the script of reruns and manual retries. */
export function loadRerunMoves(read: FragmentReader = readFragment): Script {
  return compose(RERUN_FRAGMENTS, read)
}

/** Reads and composes the script of the limits that runs share. */
export function loadSharedMoves(read: FragmentReader = readFragment): Script {
  return compose(SHARED_FRAGMENTS, read)
}

/** Composes fragments into one script; the first is for all others, the last defines `makeMoves`. */
function compose(fragments: readonly Fragment[], read: FragmentReader): Script {
  const [prelude, ...moves] = fragments.map((name) => read(name))
  // Every call of a plain script defines its functions anew. Lua looks up a local that a function captures in a list of all
  // that were captured so far, but takes what an enclosing function has captured as it is: so one function holds all moves.
  const definition = [prelude, 'local function define()', ...moves, 'return makeMoves', 'end'].join(
    '\n',
  )
  const source = `${definition}\nreturn define()(ARGV)\n`
  const functionName = `reprise_${sha1(source).slice(0, 16)}`
  const library = `#!lua name=${functionName}
local function load()
${definition}
return define()
end
local makeMoves -- by the first call: a library can reach nothing of Lua or Redis while it is loaded
redis.register_function('${functionName}', function(_, argv)
  makeMoves = makeMoves or load()
  return makeMoves(argv)
end)
`
  return { source, sha: sha1(source), library, functionName }
}

function sha1(text: string): string {
  return createHash('sha1').update(text).digest('hex')
}

/** The text of a Lua file. */
export function readFragment(name: Fragment): string {
  return readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8')
}
