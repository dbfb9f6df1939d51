// Prints "<passed> <failed>" of vitest's JSON report; a test file that could not even be loaded counts as one failure.
import { readFileSync } from 'node:fs'

const [, , path] = process.argv
const text = readFileSync(path, 'utf8')
const report =
  text === '' ? { numPassedTests: 0, numFailedTests: 0, testResults: [] } : JSON.parse(text)
const unloaded = report.testResults.filter(
  (file) => file.status === 'failed' && file.assertionResults.length === 0,
)
console.log(report.numPassedTests, report.numFailedTests + unloaded.length)
