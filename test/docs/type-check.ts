import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { readPrograms } from './ts-blocks.ts'

/** A Markdown document. */
export interface Doc {
  /** Its path in the repository, such as `docs/flows.md`. */
  readonly path: string
  readonly text: string
}

/** The repository. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** What blocks may use without declaring it. */
const PRELUDE = `
declare class HttpError extends Error {
  constructor(response: Response)
  readonly status: number
}
declare function expensive(topic: string, signal: AbortSignal): Promise<string>
`

const TSCONFIG = {
  extends: '../../tsconfig.json',
  compilerOptions: {
    rootDir: ROOT,
    moduleDetection: 'force',
    // An example shows a thing without using it.
    noUnusedLocals: false,
    noUnusedParameters: false,
  },
  include: [],
}

const DIAGNOSTIC = /^(.*?)\((\d+),(\d+)\): (error .*)$/

/**
 * Type-checks the `ts` blocks of documents against the sources.
 *
 * @returns a line for each error, with the document, the line and the column in it; empty if all is well
 */
export async function typeErrors(docs: readonly Doc[]): Promise<string[]> {
  const programs = docs.flatMap(({ path, text }) =>
    readPrograms(text).map((program) => ({ ...program, path })),
  )
  const folder = join(ROOT, '.reprise')
  await mkdir(folder, { recursive: true })
  const directory = await mkdtemp(join(folder, 'docs-'))
  try {
    const paths = new Map(programs.map(({ path }, i) => [`program-${i}.ts`, path]))
    const files = ['prelude.d.ts', ...paths.keys()]
    await Promise.all([
      writeFile(join(directory, 'tsconfig.json'), JSON.stringify({ ...TSCONFIG, files })),
      writeFile(join(directory, 'prelude.d.ts'), PRELUDE),
      ...programs.map(({ source }, i) => writeFile(join(directory, `program-${i}.ts`), source)),
    ])
    return (await runTsc(directory)).map((line) => atItsDocument(line, paths))
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** The lines that tsc prints. */
async function runTsc(directory: string): Promise<string[]> {
  const tsc = join(ROOT, 'node_modules', '.bin', 'tsc')
  try {
    await promisify(execFile)(tsc, ['-p', '.', '--pretty', 'false'], { cwd: directory })
    return []
  } catch (error) {
    const output = error instanceof Error && 'stdout' in error ? String(error.stdout).trim() : ''
    if (output === '') throw error
    return output.split('\n')
  }
}

function atItsDocument(diagnostic: string, paths: ReadonlyMap<string, string>): string {
  const [, file = '', line = '', column = '', message = ''] = DIAGNOSTIC.exec(diagnostic) ?? []
  const path = paths.get(file)
  return path === undefined ? diagnostic : `${path}:${line}:${column}: ${message}`
}
