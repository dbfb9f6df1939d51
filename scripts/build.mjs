// Builds dist/ from src/: the compiler's output, and the Lua files, which it does not know.
import { spawnSync } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const compiler = join(root, 'node_modules', '.bin', 'tsc')
const luaFolder = join('coordinator', 'lua')
const dist = join(root, 'dist')

rmSync(dist, { recursive: true, force: true })
const { status } = spawnSync(compiler, ['-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
})
if (status === 0) {
  cpSync(join(root, 'src', luaFolder), join(dist, luaFolder), { recursive: true })
} else {
  // The compiler writes its output even when it finds errors: what is broken must not be published.
  rmSync(dist, { recursive: true, force: true })
  process.exitCode = 1
}
