import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { startWatchdog, type Watchdog } from '../redis/watchdog.ts'

const STOP_GRACE_MS = 5_000
const REMEMBERED_LINES = 5

/** Ends the process ($1), and after five seconds kills it. */
const CLEAN_UP = `
kill -TERM "$1"
tries=0
while kill -0 "$1" && [ "$tries" -lt 50 ]; do tries=$((tries + 1)); sleep 0.1; done
kill -KILL "$1"
`

/** Takes a line of JSON, or refuses it with null. */
type LineReader<T> = (line: unknown) => T | null

/** A Node.js program in a process of its own, which ends with this one, however that ends. */
export class ChildProgram {
  readonly pid: number
  /** Rejects when the program ends without having been stopped. */
  readonly failed: Promise<never>
  readonly #name: string
  readonly #process: ChildProcess
  readonly #watchdog: Watchdog
  readonly #lines: string[] = []
  readonly #listeners = new Set<(line: unknown) => void>()
  #isStopping: boolean = false

  /**
   * @param name what it is called in errors
   * @param file a program in JavaScript or TypeScript
   */
  constructor(
    name: string,
    file: string,
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ) {
    this.#name = name
    const loader = file.endsWith('.ts') ? ['--import', import.meta.resolve('tsx')] : []
    // In a session of its own: Ctrl-C in a terminal ends it through us, in order.
    this.#process = spawn(process.execPath, [...loader, file, ...args], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    })
    this.pid = this.#process.pid ?? Number.NaN
    this.#watchdog = startWatchdog(CLEAN_UP, [String(this.pid)])
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      if (stream) createInterface({ input: stream }).on('line', (line) => this.#hear(line))
    }
    this.failed = new Promise((_, reject) => {
      this.#process.once('close', () => {
        if (!this.#isStopping) reject(this.#endedEarly())
      })
      this.#process.once('error', reject)
    })
    this.failed.catch(() => {
      // Whoever waits for something of the program hears of it; nobody else has to.
    })
  }

  /**
   * Waits for a line of JSON that the reader takes.
   *
   * @throws Error when the program ends before, with its last lines
   */
  waitForLine<T>(read: LineReader<T>): Promise<T> {
    const found = new Promise<T>((resolve) => {
      const listener = (line: unknown) => {
        const value = read(line)
        if (value === null) return
        this.#listeners.delete(listener)
        resolve(value)
      }
      this.#listeners.add(listener)
    })
    return Promise.race([found, this.failed])
  }

  /** Ends the program (SIGTERM, after a grace time SIGKILL). */
  async stop(): Promise<void> {
    this.#isStopping = true
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit')
      this.#process.kill('SIGTERM')
      const force = setTimeout(() => this.#process.kill('SIGKILL'), STOP_GRACE_MS)
      await ended
      clearTimeout(force)
    }
    await this.#watchdog.dismiss()
  }

  #hear(line: string): void {
    this.#lines.push(line)
    if (this.#lines.length > REMEMBERED_LINES) this.#lines.shift()
    const value = parseLine(line)
    if (value !== undefined) for (const listener of this.#listeners) listener(value)
  }

  #endedEarly(): Error {
    const { exitCode, signalCode } = this.#process
    const how = signalCode ?? `exit code ${exitCode}`
    return new Error(`${this.#name} ended unexpectedly (${how}):\n${this.#lines.join('\n')}`)
  }
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
