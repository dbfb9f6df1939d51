/** What handlers do that should not be done at once: who began, in what order, and how many at most were at it. */
export class Turns {
  readonly order: number[] = []
  /** The most that were at it at once. */
  most = 0
  #now = 0

  async take(n: number, work: () => Promise<void>): Promise<number> {
    this.order.push(n)
    this.#now += 1
    this.most = Math.max(this.most, this.#now)
    try {
      await work()
    } finally {
      this.#now -= 1
    }
    return n
  }
}
