import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const CHILD = fileURLToPath(new URL('worker-child.ts', import.meta.url))

/** How a process ended. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A worker in a process of its own, to be killed. */
export class WorkerProcess {
  readonly exited: Promise<Exit>
  readonly #child: ChildProcess
  readonly #waiting = new Map<string, () => void>()
  #said = ''
  #complaints = ''

  /** `program`: what the process runs; it finds its orders in the variable ORDERS. */
  constructor(orders: object, program = CHILD) {
    this.#child = spawn(process.execPath, ['--import', 'tsx', program], {
      env: { ...process.env, ORDERS: JSON.stringify(orders) },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child.stdout?.on('data', (text) => this.#hear(String(text)))
    this.#child.stderr?.on('data', (text) => {
      this.#complaints += String(text)
    })
    this.exited = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => resolve({ code, signal }))
    })
  }

  get pid(): number {
    const { pid } = this.#child
    if (pid === undefined) throw new Error('the worker process did not start')
    return pid
  }

  /** Waits until the process says the word. */
  async says(word: 'ready' | 'reached'): Promise<void> {
    const heard = new Promise<void>((resolve) => this.#waiting.set(word, resolve))
    this.#hear('')
    const ended = this.exited.then(({ code, signal }) => {
      throw new Error(`the worker process ended (${code ?? signal}): ${this.#complaints}`)
    })
    await Promise.race([heard, ended])
  }

  send(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal)
  }

  /** Kills it, if it still runs, and waits until it is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.exited
  }

  #hear(text: string): void {
    this.#said += text
    for (const [word, resolve] of this.#waiting) {
      if (this.#said.includes(`${word}\n`)) resolve()
    }
  }
}
