/**
 * Permits for what may run at once. Those who wait get them in the order in which they came.
 */
export class Permits {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  /** Waits for one permit. */
  async acquire(): Promise<void> {
    if (this.#free > 0) {
      this.#free -= 1
      return
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** Takes what is free now, at most `wanted`; says how many it took. */
  tryTake(wanted: number): number {
    const taken = Math.max(0, Math.min(wanted, this.#free))
    this.#free -= taken
    return taken
  }

  release(count = 1): void {
    for (let i = 0; i < count; i++) {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#free += 1
    }
  }
}
