/** The `ts` blocks of a document that make one program. */
export interface Program {
  /** Where its first block begins: the line of the fence, from 1. */
  readonly line: number
  /** The document with everything else blanked, so that each line keeps its number. */
  readonly source: string
}

const FENCE = /^```(\S*)\s*$/
const CONTINUES = /^\/\/ continues\b/

/**
 * Takes the `ts` blocks out of a Markdown document. A block whose first line is `// continues` belongs to the program of
 * the block before it; every other one begins a new program.
 *
 * @throws Error for a block without an end, or one that continues nothing
 */
export function readPrograms(markdown: string): Program[] {
  const lines = markdown.split('\n')
  const programs: { line: number; source: string[] }[] = []
  for (let i = 0; i < lines.length; i++) {
    const language = FENCE.exec(lines[i] ?? '')?.[1]
    if (language === undefined) continue
    const end = lines.indexOf('```', i + 1)
    if (end < 0) throw new Error(`line ${i + 1}: the block has no end`)
    if (language === 'ts') {
      const isContinued = CONTINUES.test(lines[i + 1] ?? '')
      if (!isContinued) programs.push({ line: i + 1, source: lines.map(() => '') })
      const program = programs.at(-1)
      if (!program) throw new Error(`line ${i + 1}: there is no block to continue`)
      for (let j = i + 1; j < end; j++) program.source[j] = lines[j] ?? ''
    }
    i = end
  }
  return programs.map(({ line, source }) => ({ line, source: source.join('\n') }))
}
