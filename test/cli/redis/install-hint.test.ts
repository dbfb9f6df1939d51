import { describe, expect, test } from 'vitest'
import { installHint } from '../../../src/cli/redis/install-hint.ts'

describe('installHint', () => {
  const rows = [
    ['Debian', 'PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\n', 'apt-get install redis-server'],
    ['Ubuntu', 'ID=ubuntu\nID_LIKE=debian\n', 'apt-get install redis-server'],
    [
      'Mint, which is like Ubuntu',
      'ID=linuxmint\nID_LIKE="ubuntu debian"\n',
      'apt-get install redis-server',
    ],
    ['Fedora', 'ID=fedora\n', 'dnf install valkey'],
    [
      'Rocky, which is like RHEL',
      'ID="rocky"\nID_LIKE="rhel centos fedora"\n',
      'dnf install redis',
    ],
    ['Alpine', 'ID=alpine\n', 'apk add redis'],
    ['Arch', 'ID=arch\n', 'pacman -S valkey'],
    ['a system that nobody knows', 'ID=plan9\n', "with your system's packages"],
    ['a system that does not say', '', "with your system's packages"],
  ] as const

  test.each(rows)('knows %s', (_name, osRelease, hint) => {
    expect(installHint({ platform: 'linux', osRelease })).toContain(hint)
  })

  test('knows macOS', () => {
    expect(installHint({ platform: 'darwin', osRelease: '' })).toBe('brew install redis')
  })
})
