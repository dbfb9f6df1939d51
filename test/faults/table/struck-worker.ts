import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { eventually } from '../../worker/scene.ts'
import { type Granted, grantedSchema, type Orders } from './cells.ts'

const SCRIPT = fileURLToPath(new URL('table-process.ts', import.meta.url))

/** A worker in a process of its own, to be struck at its stop point. */
export class StruckWorker {
  /** What it was granted, as far as it said so. */
  readonly granted: Granted[] = []
  readonly #child: ChildProcess
  readonly #words = new Set<string>()
  #complaints = ''

  constructor(orders: Orders) {
    const child = spawn(process.execPath, ['--import', 'tsx', SCRIPT, JSON.stringify(orders)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.startsWith('{')) this.granted.push(grantedSchema.parse(JSON.parse(line)))
      else this.#words.add(line)
    })
    child.stderr.on('data', (text) => {
      this.#complaints += String(text)
    })
  }

  /** Waits until it has said the word. */
  async says(word: 'ready' | 'reached'): Promise<void> {
    await eventually(() => {
      if (this.#words.has(word)) return
      const { exitCode, signalCode } = this.#child
      throw new Error(`no ${word} yet (${exitCode ?? signalCode ?? 'alive'}): ${this.#complaints}`)
    })
  }

  send(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal)
  }

  /** Kills it, if it still runs, and waits until it is gone. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }
}
