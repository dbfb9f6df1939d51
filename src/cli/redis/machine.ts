import { existsSync, readFileSync } from 'node:fs'

/** What provisioning needs to know of the machine it runs on. A parameter, so that tests can describe another one. */
export interface Machine {
  readonly env: Readonly<Record<string, string | undefined>>
  /** The directory that a relative data directory is below. */
  readonly cwd: string
  readonly platform: NodeJS.Platform
  /** Only root may install packages. */
  readonly isRoot: boolean
  /** The content of `/etc/os-release`; empty where there is none. */
  readonly osRelease: string
}

/** The machine that this process runs on. */
export function thisMachine(): Machine {
  return {
    env: process.env,
    cwd: process.cwd(),
    platform: process.platform,
    isRoot: process.getuid?.() === 0,
    osRelease: existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '',
  }
}
