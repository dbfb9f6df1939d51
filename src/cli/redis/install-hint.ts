import type { Machine } from './machine.ts'

/** How each family of systems installs a server. The keys are the `ID`s of `/etc/os-release`. */
const BY_SYSTEM: Readonly<Record<string, string>> = {
  debian: 'apt-get install redis-server',
  ubuntu: 'apt-get install redis-server',
  fedora: 'dnf install valkey',
  rhel: 'dnf install redis',
  centos: 'dnf install redis',
  alpine: 'apk add redis',
  arch: 'pacman -S valkey',
}

const ELSEWHERE = "install redis-server or valkey-server (6.2 or newer) with your system's packages"

/** What to type on this machine to get a Redis. */
export function installHint(machine: Pick<Machine, 'platform' | 'osRelease'>): string {
  if (machine.platform === 'darwin') return 'brew install redis'
  const family = readFamily(machine.osRelease).find((id) => id in BY_SYSTEM)
  return BY_SYSTEM[family ?? ''] ?? ELSEWHERE
}

/** The system's own id, then those of the systems that it is like, nearest first. */
function readFamily(osRelease: string): string[] {
  const fields = new Map(
    Array.from(osRelease.matchAll(/^(\w+)="?(.*?)"?$/gm), ([, key, value]) => [key, value]),
  )
  return [fields.get('ID') ?? '', ...(fields.get('ID_LIKE') ?? '').split(' ')]
}
