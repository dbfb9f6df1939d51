import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('outage-process.ts', import.meta.url))

/** Where a fleet works. */
export interface FleetOrders {
  readonly redisUrl: string
  readonly namespace: string
  readonly serviceUrl: string
  /** Handlers that each process runs at once. */
  readonly concurrency: number
}

/** Worker processes that call one service. */
export class Fleet {
  readonly #orders: FleetOrders
  readonly #processes = new Map<number, ChildProcess>()

  constructor(orders: FleetOrders) {
    this.#orders = orders
  }

  /** The processes that live. */
  get pids(): number[] {
    return [...this.#processes.keys()]
  }

  /** Starts so many more, and waits until they take jobs. */
  async start(count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => this.#startOne()))
  }

  /** `kill -9` of one process. */
  async kill(pid: number): Promise<void> {
    const child = this.#processes.get(pid)
    if (!child) throw new Error(`${pid} is no process of this fleet`)
    this.#processes.delete(pid)
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  async stop(): Promise<void> {
    await Promise.all(this.pids.map((pid) => this.kill(pid)))
  }

  async #startOne(): Promise<void> {
    const orders = JSON.stringify(this.#orders)
    const child = spawn(process.execPath, ['--import', 'tsx', PROGRAM, orders], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    if (child.pid !== undefined) this.#processes.set(child.pid, child)
    await once(child.stdout, 'data')
  }
}
