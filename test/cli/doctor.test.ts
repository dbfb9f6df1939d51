import { expect, test, vi } from 'vitest'
import { Driver, failure, useRedis } from '../coordinator/driver.ts'
import { node } from '../coordinator/graphs.ts'
import { describeWithRedis, redisUrl } from '../setup/namespace.ts'
import { runCli } from './fixtures.ts'

// Programs are slow to start on a busy machine.
vi.setConfig({ testTimeout: 90_000 })

const redis = useRedis()

async function doctor({ keys }: Driver, ...args: readonly string[]): Promise<string> {
  const [, namespace = ''] = /^\{(.*):0\}$/.exec(keys.prefix) ?? []
  const place = ['--redis', redisUrl(), '--namespace', namespace]
  const { code, stdout, stderr } = await runCli([...place, 'doctor', ...args])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}

describeWithRedis('reprise doctor', () => {
  test('finds a ticket whose job is gone, and mends it when it is told to', async () => {
    const driver = new Driver(redis(), [node('a'), node('b')])
    await driver.openGranted()
    const { runId } = driver
    expect(await doctor(driver)).toBe(
      `${runId}: ticket 1 is owed, and its job does not exist\n` +
        `${runId}: the job of ticket 0 is gone, and its nodes are not settled\n`,
    )
    const mended = await doctor(driver, '--mend', '--bound', '500ms')
    expect(mended).toContain('looking again in 500ms')
    expect(mended).toContain(`${runId}: ticket 1 is owed, and its job does not exist: mended`)
  })

  test('decides about a retry that is due', async () => {
    const driver = new Driver(redis(), [node('a')], { isRetried: true })
    await (await driver.openGranted()).settle('a', failure())
    expect(await doctor(driver)).toBe('nothing is stuck\n')
    await new Promise((resolve) => setTimeout(resolve, 1_600))
    const mended = await doctor(driver, '--mend', '--bound', '500ms')
    expect(mended).toContain(`${driver.runId}: its retry was due: decided`)
    expect(await doctor(driver, '--mend', '--bound', '500ms')).not.toContain('due')
  })
})
