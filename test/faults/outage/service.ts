import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('service-process.ts', import.meta.url))

/** `up` answers 200, `down` 503, `hangs` nothing, until the mode changes. */
export type ServiceMode = 'up' | 'down' | 'hangs'

/** A call as the service saw it; `at` is epoch ms. */
export interface ServedCall {
  readonly at: number
  readonly run: string
  readonly attempt: number
  /** Of the worker that called. */
  readonly pid: number
  readonly mode: ServiceMode
}

/** A real HTTP service in a process of its own, that fails when it is told to, and remembers who called. */
export class Service {
  readonly url: string
  readonly #child: ChildProcess

  constructor(child: ChildProcess, port: string) {
    this.#child = child
    this.url = `http://127.0.0.1:${port}`
  }

  /** Starts it `down`. */
  static async start(): Promise<Service> {
    const child = spawn(process.execPath, ['--import', 'tsx', PROGRAM], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [port] = await once(child.stdout, 'data')
    return new Service(child, String(port).trim())
  }

  async be(mode: ServiceMode): Promise<void> {
    await fetch(`${this.url}/mode?is=${mode}`)
  }

  /** All calls so far, in the order in which they came. */
  async calls(): Promise<ServedCall[]> {
    const response = await fetch(`${this.url}/calls`)
    // Trust border: the service's own process wrote them.
    return (await response.json()) as ServedCall[]
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }
}
