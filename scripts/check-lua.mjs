// Checks the Lua files with luacheck (Debian: lua-check), where that is installed.
//
// They are fragments: a script is made by writing some of them one after another, so a fragment may use the top-level
// locals of all others. These are collected here, declared as globals that may be read, and may be unused (warning 211) or
// only be set (231) where they are defined.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = 'src/coordinator/lua'

const fragments = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.lua'))
  .map((name) => readFileSync(join(folder, name), 'utf8'))

/** The names that `local function name` and `local a, b = …` at the start of a line declare. */
function topLevelLocals(text) {
  const declarations = text.matchAll(/^local (?:function )?([\w, ]+)/gm)
  return Array.from(declarations, ([, names]) => names.split(',').map((name) => name.trim())).flat()
}

const shared = [...new Set(fragments.flatMap(topLevelLocals))]
const unusedAtHome = shared.flatMap((name) => [`211/${name}`, `231/${name}`])
const args = ['--no-color', folder, '--read-globals', ...shared, '--ignore', ...unusedAtHome]
const result = spawnSync('luacheck', args, { stdio: 'inherit' })

if (result.error) {
  console.warn(`Lua is not checked: luacheck did not start (${result.error.message})`)
} else {
  process.exitCode = result.status ?? 1
}
