import { type ParseError, parse, printParseErrorCode } from 'jsonc-parser'
import { RepriseError } from '../core/errors.ts'

/**
 * Reads JSON that a person typed.
 *
 * @param what names the text in the error
 * @throws RepriseError (`invalid_input`) with the place of the first problem, marked in the line that has it
 */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new RepriseError('invalid_input', `${what}: ${describeProblem(text)}`, { cause })
  }
}

// JSON.parse does not always say where the problem is.
function describeProblem(text: string): string {
  const errors: ParseError[] = []
  parse(text, errors, { disallowComments: true })
  const [first] = errors
  if (!first) return 'invalid JSON'
  const before = text.slice(0, first.offset).split('\n')
  const line = text.split('\n')[before.length - 1] ?? ''
  const column = (before.at(-1) ?? '').length
  const problem = printParseErrorCode(first.error).replace(
    /[A-Z]/g,
    (letter) => ` ${letter.toLowerCase()}`,
  )
  return (
    `invalid JSON at position ${first.offset} (line ${before.length}, column ${column + 1}):${problem}\n` +
    `  ${line}\n  ${' '.repeat(column)}^`
  )
}
