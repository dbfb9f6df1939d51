import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startProgram } from '../cli/fixtures.ts'
import { describeWithRedis, redisUrl, testNamespace } from '../setup/namespace.ts'

// By hand: the sum of quantity × unitCents × rate over the lines of the region's file.
const TABLE = `product,north,south,west,total
cocoa,26.00,42.12,74.88,143.00
coffee,75.90,6.21,41.40,123.51
tea,76.50,109.35,48.60,234.45
`

describeWithRedis('examples/etl/main.ts', () => {
  test('writes the table, and transforms only the region that failed twice', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'reprise-etl-test-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const environment = { REDIS_URL: redisUrl(), REPRISE_NAMESPACE: testNamespace() }
    const { code, stdout, stderr } = await startProgram(
      'examples/etl/main.ts',
      [folder],
      environment,
    ).ended()
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const attempts = stdout.split('\n').filter((line) => line.includes(': '))
    expect(attempts.sort()).toEqual([
      'combine: attempt 1',
      'extract-north: attempt 1',
      'extract-rates: attempt 1',
      'extract-south: attempt 1',
      'extract-west: attempt 1',
      'load: attempt 1',
      'transform-north: attempt 1',
      'transform-south: attempt 1',
      'transform-south: attempt 2',
      'transform-south: no memory left for south',
      'transform-west: attempt 1',
    ])
    expect(stdout).toContain(TABLE)
    expect(await readdir(folder)).toEqual(['revenue.csv'])
    expect(await readFile(join(folder, 'revenue.csv'), 'utf8')).toBe(TABLE)
  })
})
