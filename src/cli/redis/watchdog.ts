import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'

/** Cleans up after this process, however it ends. */
export interface Watchdog {
  /** To be called when the clean-up is done or no longer wanted. */
  dismiss(): Promise<void>
}

/**
 * Starts a shell that sleeps on a pipe from this process. A dismissal is a line; when instead the pipe just ends, this
 * process is gone (Ctrl-C, an uncaught exception, even SIGKILL) and the script runs. So nobody needs to install signal
 * handlers, and nothing that was started is left behind.
 *
 * @param script a `sh` script; its `$1`, `$2`, … are the arguments
 */
export function startWatchdog(script: string, args: readonly string[]): Watchdog {
  const child = spawn('/bin/sh', ['-c', `read -r _ && exit 0\n${script}`, 'watchdog', ...args], {
    // In a session of its own, since Ctrl-C in a terminal goes to the whole foreground group.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    // The script's own tools must be there even where PATH lacks them.
    env: { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/bin:/bin` },
  })
  const ended = Promise.race([once(child, 'exit'), once(child, 'error')]).catch(() => {})
  child.stdin.on('error', () => {})
  letProcessEnd(child.stdin)
  child.unref()
  return {
    dismiss: async () => {
      child.ref()
      child.stdin.end('dismissed\n')
      await ended
    },
  }
}

/** A child's stdin is a socket, though its type only says stream. Unreferenced, it keeps no event loop alive. */
function letProcessEnd(stdin: object): void {
  if ('unref' in stdin) (stdin as Socket).unref()
}
