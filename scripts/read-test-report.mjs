// Reads vitest's JSON report, for the end of a long log. A test file that could not be loaded counts as one failure.
//   counts        prints "<passed> <failed>"
//   failures      prints each failed test, with the first lines of its message
//   failed-files  prints the files with failures, a line each
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { stripVTControlCharacters } from 'node:util'

const LINES_OF_A_MESSAGE = 12

const [, , what, path] = process.argv
const text = readFileSync(path, 'utf8')
const report = text === '' ? { numPassedTests: 0, testResults: [] } : JSON.parse(text)
const failures = report.testResults.flatMap(({ name, status, message, assertionResults }) => {
  const file = relative(process.cwd(), name)
  if (status === 'failed' && assertionResults.length === 0) {
    return [{ file, test: 'could not be loaded', message }]
  }
  return assertionResults
    .filter((result) => result.status === 'failed')
    .map((result) => ({ file, test: result.fullName, message: result.failureMessages.join('\n') }))
})

const print = {
  counts: () => console.log(report.numPassedTests, failures.length),
  failures: () => {
    for (const { file, test, message } of failures) {
      console.log(`\nFAILED: ${file} > ${test}`)
      const lines = stripVTControlCharacters(message).split('\n')
      const own = lines.filter((line) => !line.includes('/node_modules/'))
      for (const line of own.slice(0, LINES_OF_A_MESSAGE)) console.log(`  ${line}`)
    }
  },
  'failed-files': () => {
    for (const file of new Set(failures.map((failure) => failure.file))) console.log(file)
  },
}
print[what]()
