/** Wakes one waiter when something happens, or when its time is over. What happens before the wait counts too. */
export class Bell {
  #rung: boolean = false
  #wake: (() => void) | null = null

  ring(): void {
    this.#rung = true
    this.#wake?.()
  }

  /** Waits until the bell rings or `ms` have passed, and resets it. */
  async wait(ms: number): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    this.#wake = null
    this.#rung = false
  }
}
