/** How often what happened: a random test shows with it that it met everything. */
export class Tally {
  readonly #counts = new Map<string, number>()

  add(what: string, times = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + times)
  }

  /** For `console.table`. */
  get table(): Record<string, number> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => a.localeCompare(b)))
  }

  /** What of these happened less often than that. */
  rarerThan(least: number, things: readonly string[]): string[] {
    return things.filter((what) => (this.#counts.get(what) ?? 0) < least)
  }
}
