import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** How a program ended, and what it wrote. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A program in a process of its own, which is ended with the test at the latest. */
export interface Program {
  readonly process: ChildProcess
  readonly pid: number
  /** Everything written so far, to both streams. */
  output(): string
  /** Waits until the output matches. */
  outputMatching(pattern: RegExp): Promise<RegExpMatchArray>
  ended(): Promise<Ended>
}

type Environment = Readonly<Record<string, string | undefined>>

/** Starts a TypeScript program of this repository with `tsx`. */
export function startProgram(
  file: string,
  args: readonly string[],
  environment: Environment = {},
): Program {
  const child = spawn(process.execPath, ['--import', 'tsx', join(root, file), ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, REDIS_URL: undefined, CI: undefined, ...environment },
  })
  const closed = once(child, 'close')
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await closed
  })
  const texts = { stdout: '', stderr: '', both: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text
      texts.both += text
    })
  }
  return {
    process: child,
    pid: child.pid ?? Number.NaN,
    output: () => texts.both,
    outputMatching: async (pattern) => {
      for (;;) {
        const match = pattern.exec(texts.both)
        if (match) return match
        if (child.exitCode !== null) throw new Error(`it ended without ${pattern}:\n${texts.both}`)
        await sleep(20)
      }
    },
    ended: async () => {
      await closed
      return { code: child.exitCode, stdout: texts.stdout, stderr: texts.stderr }
    },
  }
}

/** Starts the command line. */
export function startCli(args: readonly string[], environment: Environment = {}): Program {
  return startProgram('src/cli/main.ts', args, environment)
}

/** Runs the command line to its end. */
export function runCli(args: readonly string[], environment: Environment = {}): Promise<Ended> {
  return startCli(args, environment).ended()
}

/** The path of a module for workers, as a user would type it. */
export function modulePath(name: string): string {
  return `test/cli/modules/${name}`
}

/** True if something listens at the port, on this machine. */
export async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
