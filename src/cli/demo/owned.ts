/** What was started and must be ended. Whatever happens, `release` ends it all, the newest first. */
export class Owned {
  readonly #ends: (() => Promise<unknown>)[] = []

  /** Takes over a thing together with the way to end it. */
  own<T>(thing: T, end: () => Promise<unknown>): T {
    this.#ends.push(end)
    return thing
  }

  /**
   * @throws AggregateError when something could not be ended; the rest is ended all the same
   */
  async release(): Promise<void> {
    const problems: unknown[] = []
    for (let end = this.#ends.pop(); end; end = this.#ends.pop()) {
      try {
        await end()
      } catch (error) {
        problems.push(error)
      }
    }
    if (problems.length > 0) throw new AggregateError(problems, 'not everything could be ended')
  }
}
