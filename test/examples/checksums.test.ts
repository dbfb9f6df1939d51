import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startProgram } from '../cli/fixtures.ts'
import { describeWithRedis, redisUrl, testNamespace } from '../setup/namespace.ts'

// How small gzip makes a file depends on its version.
const REPORT = `0. letters/ada.txt: 87 bytes, 17 words
1. letters/emmy.txt is damaged
2. signals/ramp.bin: 256 bytes, <n> bytes compressed
3. signals/square.bin: 1024 bytes, <n> bytes compressed
3 of 4 files are sound, 1367 bytes
`

const ATTEMPTS = [
  'add-up: attempt 1',
  'file[letters/ada.txt]/count-words: attempt 1',
  'file[letters/ada.txt]/verify: attempt 1',
  'file[letters/ada.txt]/verify: attempt 2',
  'file[letters/ada.txt]/verify: letters/ada.txt is locked',
  'file[letters/emmy.txt]/verify: attempt 1',
  'file[letters/emmy.txt]/verify: letters/emmy.txt is damaged',
  'file[signals/ramp.bin]/compress: attempt 1',
  'file[signals/ramp.bin]/verify: attempt 1',
  'file[signals/square.bin]/compress: attempt 1',
  'file[signals/square.bin]/verify: attempt 1',
  'read-list: attempt 1',
  'to-line[letters/ada.txt]: attempt 1',
  'to-line[letters/emmy.txt]: attempt 1',
  'to-line[signals/ramp.bin]: attempt 1',
  'to-line[signals/square.bin]: attempt 1',
  'write-report: attempt 1',
]

describeWithRedis('examples/checksums/main.ts', () => {
  test('does for each file what it is due, and reports on the damaged one too', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'reprise-checksums-test-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const environment = { REDIS_URL: redisUrl(), REPRISE_NAMESPACE: testNamespace() }
    const { code, stdout, stderr } = await startProgram(
      'examples/checksums/main.ts',
      [folder],
      environment,
    ).ended()
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const attempts = stdout.split('\n').filter((line) => /: (attempt|letters)/.test(line))
    expect(attempts).toEqual(expect.arrayContaining(ATTEMPTS))
    // A branch that is not taken may be seen while its condition is looked at.
    const others = attempts.filter((line) => !ATTEMPTS.includes(line))
    for (const line of others) expect(line).toMatch(/(count-words|compress): attempt 1$/)
    expect(await readdir(folder)).toEqual(['report.txt'])
    const report = await readFile(join(folder, 'report.txt'), 'utf8')
    expect(report.replace(/\d+ bytes compressed/g, '<n> bytes compressed')).toBe(REPORT)
  })
})
