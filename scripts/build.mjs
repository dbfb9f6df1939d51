// Builds dist/ from src/: the compiler's output, and the Lua files, which it does not know.
import { execFileSync } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc')
const luaFolder = join('coordinator', 'lua')

rmSync(join(root, 'dist'), { recursive: true, force: true })
execFileSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
})
cpSync(join(root, 'src', luaFolder), join(root, 'dist', luaFolder), {
  recursive: true,
  filter: (path) => !path.endsWith('.ts'),
})
