import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { useApt } from '../../../src/cli/redis/apt.ts'
import { describeWithServer, machineWith, machineWithServer, stopAtEnd } from './fixtures.ts'

const ALLOWED = { install: true, dataDir: null }

/** Before its first `update` it knows no packages, as on a fresh Debian; then it "installs" a program. */
const FRESH_APT_GET = `
folder="$(dirname "$0")"
case "$1" in
  update) > "$folder/lists" ;;
  install) [ -f "$folder/lists" ] && mv "$folder/packaged" "$folder/redis-server" ;;
esac`

describe('useApt', () => {
  const rows = [
    [
      'the user did not ask for it',
      { ...machineWith({ 'apt-get': '' }), isRoot: true },
      { ...ALLOWED, install: false },
      'installing was not asked for (--install)',
    ],
    ['there is no apt-get', { ...machineWith(), isRoot: true }, ALLOWED, 'apt-get is not on PATH'],
    ['the user is not root', machineWith({ 'apt-get': '' }), ALLOWED, 'apt-get needs root'],
    [
      'the installation fails',
      { ...machineWith({ 'apt-get': 'echo "E: no network" >&2; exit 100' }), isRoot: true },
      ALLOWED,
      'apt-get install redis-server failed: E: no network',
    ],
  ] as const

  test.each(rows)('is skipped when %s', async (_name, machine, options, reason) => {
    expect(await useApt(machine, options, () => {})).toEqual({ status: 'skipped', reason })
  })
})

describeWithServer('useApt with a package', () => {
  test('fetches the lists where they are missing, installs, says so, and starts the server', async () => {
    const notices: string[] = []
    const machine = machineWith({
      'apt-get': FRESH_APT_GET,
      packaged: `exec ${machineWithServer().cwd}/redis-server "$@"`,
    })
    const root = { ...machine, isRoot: true, env: { PATH: `${machine.cwd}:/usr/bin:/bin` } }
    const outcome = await useApt({ ...root }, ALLOWED, (text) => notices.push(text))
    if (outcome.status === 'ready') stopAtEnd(outcome.redis)
    expect(outcome).toMatchObject({ status: 'ready', redis: { source: 'apt' } })
    expect(notices).toEqual(["installing redis-server from the system's packages…"])
    expect(existsSync(join(machine.cwd, 'lists'))).toBe(true)
  })
})
