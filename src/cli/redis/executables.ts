import { execFile } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Machine } from './machine.ts'

/** How a command ended: its output, or one line that says why it failed. */
export type CommandResult =
  | { readonly status: 'ok'; readonly output: string }
  | { readonly status: 'failed'; readonly reason: string }

/** The first of the programs that is on the machine's PATH, as an absolute path; null if none is. */
export function findExecutable(machine: Machine, ...names: readonly string[]): string | null {
  const folders = (machine.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  const candidates = names.flatMap((name) => folders.map((folder) => join(folder, name)))
  return candidates.find(isExecutable) ?? null
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/**
 * Runs a program without a shell and without input, and kills it when its time is up. It never throws.
 *
 * @param timeoutMs how long it may take
 */
export function runCommand(
  machine: Machine,
  file: string,
  args: readonly string[],
  timeoutMs: number,
): Promise<CommandResult> {
  const options = { env: machine.env, timeout: timeoutMs, killSignal: 'SIGKILL' } as const
  return new Promise((resolve) => {
    const child = execFile(file, args, options, (error, stdout, stderr) => {
      if (error === null) resolve({ status: 'ok', output: stdout.trim() })
      else if (error.killed) resolve(failure(`no answer within ${timeoutMs / 1_000} s`))
      else resolve(failure(lastLine(stderr) ?? error.message))
    })
    child.stdin?.end()
  })
}

function failure(reason: string): CommandResult {
  return { status: 'failed', reason }
}

function lastLine(text: string): string | undefined {
  return text.trim().split('\n').filter(Boolean).at(-1)
}
