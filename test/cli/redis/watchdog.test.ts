import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { startWatchdog } from '../../../src/cli/redis/watchdog.ts'
import {
  describeWithServer,
  isAlive,
  machineWithServer,
  temporaryFolder,
  until,
} from './fixtures.ts'

const PARENT = fileURLToPath(new URL('parent-process.ts', import.meta.url))

async function startParent(ending: string) {
  const { env } = machineWithServer()
  const parent = fork(PARENT, [ending], {
    execArgv: ['--import', 'tsx'],
    env: { PATH: `${env.PATH}:/usr/bin:/bin` },
    stdio: 'ignore',
  })
  const [server] = (await once(parent, 'message')) as [{ processId: number; directory: string }]
  return { parent, server }
}

describeWithServer('startWatchdog', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)(
    'ends the server of a parent that gets %s',
    async (signal) => {
      const { parent, server } = await startParent('wait')
      expect(isAlive(server.processId)).toBe(true)
      parent.kill(signal)
      await until(() => !isAlive(server.processId) && !existsSync(server.directory))
    },
  )

  test.each([
    ['throws an error that nobody catches', 'throw'],
    ['exits', 'exit'],
    ['has nothing more to do', 'nothing'],
  ])('ends the server of a parent that %s', async (_name, ending) => {
    const { server } = await startParent(ending)
    await until(() => !isAlive(server.processId) && !existsSync(server.directory))
  })

  test('does nothing once it is dismissed', async () => {
    const mark = join(temporaryFolder(), 'mark')
    await startWatchdog('> "$1"', [mark]).dismiss()
    expect(existsSync(mark)).toBe(false)
  })
})
