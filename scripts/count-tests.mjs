// Prints "<passed> <failed>" of vitest's JSON report, then each failed test with its message, for the end of a long
// log. A test file that could not even be loaded counts as one failure.
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { stripVTControlCharacters } from 'node:util'

const LINES_OF_A_MESSAGE = 12

const [, , path] = process.argv
const text = readFileSync(path, 'utf8')
const report =
  text === '' ? { numPassedTests: 0, numFailedTests: 0, testResults: [] } : JSON.parse(text)
const isUnloaded = (file) => file.status === 'failed' && file.assertionResults.length === 0
const unloaded = report.testResults.filter(isUnloaded)
const failures = [
  ...unloaded.map((file) => ({ file, name: 'could not be loaded', message: file.message })),
  ...report.testResults.flatMap((file) =>
    file.assertionResults
      .filter((test) => test.status === 'failed')
      .map((test) => ({ file, name: test.fullName, message: test.failureMessages.join('\n') })),
  ),
]

console.log(report.numPassedTests, report.numFailedTests + unloaded.length)
for (const { file, name, message } of failures) {
  console.log(`\nFAILED: ${relative(process.cwd(), file.name)} > ${name}`)
  const lines = stripVTControlCharacters(message).split('\n')
  const own = lines.filter((line) => !line.includes('/node_modules/'))
  for (const line of own.slice(0, LINES_OF_A_MESSAGE)) console.log(`  ${line}`)
}
